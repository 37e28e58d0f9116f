// The explorer: maps at the left, what is selected at the right, search and lists above.
import { colourings, type Colouring } from "./explore-colour";
import { NONE, read, type Atlas } from "./explore-data";
import { ShapeMap, type Look } from "./explore-map";
import { Thumbnails, Turning } from "./explore-shape";

/** Shapes of a list that are drawn at first. */
const LISTED = 120;

function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  { text = "", name = "", ...rest }: { text?: string; name?: string; [key: string]: unknown } = {},
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (name) element.className = name;
  for (const [key, value] of Object.entries(rest)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

class Explorer {
  private readonly look: Look;
  private readonly kinds: Colouring[];
  private readonly maps: ShapeMap[];
  private readonly thumbnails: Thumbnails;
  private readonly turning: Turning;
  private readonly side = make("aside", { name: "side", "aria-live": "polite" });
  private readonly legend = make("div", { name: "legend" });
  private readonly tip = make("div", { name: "tip", hidden: "" });
  private readonly search = make("input", { type: "search", placeholder: "search names and classes ( / )", "aria-label": "search names and classes" });
  private list: { title: string; shapes: number[] } | null = null;

  constructor(
    private readonly atlas: Atlas,
    root: HTMLElement,
  ) {
    this.kinds = colourings(atlas);
    this.look = { colouring: this.kinds[0]!, marked: null, selected: null, hovered: null };
    this.thumbnails = new Thumbnails(atlas, 96, () => this.ink());
    this.turning = new Turning(atlas, () => this.ink());
    const told = {
      picked: (shape: number | null) => this.select(shape),
      hovered: (shape: number | null) => this.hover(shape),
      lassoed: (shapes: number[]) => this.showList(`${shapes.length} in the lasso`, shapes),
    };
    this.maps = atlas.views.map((view) => new ShapeMap(atlas, view, this.look, this.thumbnails, told));
    atlas.arrived = () => this.draw();
    root.replaceChildren(this.bar(), make("main", { name: "body" }, this.plates(), this.side), this.tip);
    this.colour(this.kinds[0]!);
    this.welcome();
    document.addEventListener("keydown", (event) => this.key(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
  }

  /** Milliseconds that a picture of each map takes, the mean of some: asked for by tests and benchmarks. */
  async frames(count = 20): Promise<number[]> {
    const sums = this.maps.map(() => 0);
    for (let i = 0; i < count; i++) {
      for (const map of this.maps) map.zoom(i % 2 ? 1.01 : 1 / 1.01);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      this.maps.forEach((map, m) => (sums[m]! += map.took));
    }
    return sums.map((sum) => sum / count);
  }

  select(shape: number | null, { move = false } = {}): void {
    this.look.selected = shape;
    if (shape === null) {
      if (this.list) this.showList(this.list.title, this.list.shapes);
      else this.welcome();
    } else {
      this.showShape(shape);
      if (move) for (const map of this.maps) map.goTo(shape);
    }
    this.draw();
  }

  find(words: string): number[] {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return [];
    const { names, origins, classes, label, count } = this.atlas;
    const text = (i: number) => `${names[i]} ${origins[i]} ${label[i]! < 0 ? "" : (classes[label[i]!] ?? "")}`.toLowerCase();
    return Array.from({ length: count }, (_, i) => i).filter((i) => wanted.every((word) => text(i).includes(word)));
  }

  showList(title: string, shapes: number[], notes?: string[]): void {
    this.list = { title, shapes };
    this.look.selected = null;
    this.mark(shapes.length ? new Set(shapes) : null);
    const copy = make("button", { text: "copy names" });
    copy.addEventListener("click", () => {
      void navigator.clipboard?.writeText(shapes.map((i) => this.atlas.names[i]).join("\n"));
      copy.textContent = "copied";
    });
    const save = make("a", { text: "save as csv", name: "button", download: "shapes.csv" });
    save.href = URL.createObjectURL(new Blob([this.csv(shapes)], { type: "text/csv" }));
    const close = make("button", { text: "all shapes" });
    close.addEventListener("click", () => this.clear());
    const more = shapes.length > LISTED ? ` (the first ${LISTED} are drawn)` : "";
    this.side.replaceChildren(
      make("h2", { text: title }),
      make("p", { name: "quiet", text: shapes.length ? `${shapes.length} shapes${more}` : "nothing to show" }),
      make("p", { name: "buttons" }, copy, save, close),
      this.cards(shapes.slice(0, LISTED), notes),
    );
  }

  private bar(): HTMLElement {
    const { atlas } = this;
    this.search.addEventListener("input", () => {
      const found = this.find(this.search.value);
      if (this.search.value.trim()) this.showList(`"${this.search.value.trim()}"`, found);
      else this.clear();
    });
    const colour = make("select", { "aria-label": "colour by" }, ...this.kinds.map((kind) => make("option", { text: kind.title })));
    colour.addEventListener("change", () => this.colour(this.kinds[colour.selectedIndex]!));
    const map = make("select", { "aria-label": "map" }, ...atlas.views[0]!.maps.map((one) => make("option", { text: one.title })));
    map.addEventListener("change", () => this.maps.forEach((one) => one.show(map.selectedIndex)));
    const lists: [string, () => void][] = [["lists", () => undefined]];
    const copies = atlas.copies.flat();
    if (copies.length) {
      const notes = atlas.copies.flatMap((group, g) => group.map(() => `group ${g + 1}`));
      lists.push([`there twice (${copies.length})`, () => this.showList(`there twice: ${atlas.copies.length} group${atlas.copies.length === 1 ? "" : "s"}`, copies, notes)]);
    }
    const { odd } = atlas.views[0]!;
    lists.push(["like nothing else", () => this.showList("like nothing else", odd.map(([i]) => i), odd.map(([, far]) => far.toFixed(3)))]);
    atlas.clusterNames.forEach((name, c) => {
      const mine = Array.from(atlas.cluster.keys()).filter((i) => atlas.cluster[i] === c);
      lists.push([`${name} (${mine.length})`, () => this.showList(name, mine)]);
    });
    const list = make("select", { "aria-label": "lists" }, ...lists.map(([name]) => make("option", { text: name })));
    list.addEventListener("change", () => {
      lists[list.selectedIndex]![1]();
      list.selectedIndex = 0;
    });
    const lasso = make("button", { text: "lasso", title: "draw around shapes (or hold shift)", "aria-pressed": "false" });
    lasso.addEventListener("click", () => {
      const on = lasso.getAttribute("aria-pressed") !== "true";
      lasso.setAttribute("aria-pressed", String(on));
      for (const one of this.maps) one.lassoing = on;
    });
    const dark = make("button", { text: "dark or light" });
    dark.addEventListener("click", () => {
      const now = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
      document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
      this.repaint();
    });
    const named = (text: string, element: HTMLElement) => make("label", {}, make("span", { text }), element);
    return make(
      "header",
      { name: "bar" },
      make("h1", { text: atlas.title }),
      this.search,
      named("colour", colour),
      named("map", map),
      list,
      lasso,
      dark,
    );
  }

  private plates(): HTMLElement {
    const many = this.maps.length > 1;
    const plates = this.maps.map((map, m) => {
      const view = this.atlas.views[m]!;
      return make("figure", { name: "plate" }, map.canvas, make("figcaption", { name: "quiet", text: many ? view.name : "" }));
    });
    return make("div", { name: "plates" }, make("div", { name: "maps" }, ...plates), this.legend);
  }

  private welcome(): void {
    const { atlas } = this;
    const view = atlas.views[0]!;
    const extra = atlas.copies.reduce((sum, group) => sum + group.length - 1, 0);
    const copies = extra ? ` Copies of others: ${extra}.` : "";
    this.side.replaceChildren(
      make("h2", { text: `${atlas.count.toLocaleString("en")} shapes` }),
      make("p", { text: `Each dot is a shape; what is alike lies together. Zoom in to see them, click one to turn it.${copies}` }),
      make("p", { name: "quiet", text: `${view.name}. ${view.maps[0]!.note}` }),
      make("p", { name: "quiet", text: "Shift and drag: lasso. + and -: zoom. Arrows: neighbours. Esc: back." }),
    );
  }

  private showShape(shape: number): void {
    const { atlas } = this;
    const facts = make("dl", { name: "facts" });
    const fact = (name: string, value: string) => facts.append(make("dt", { text: name }), make("dd", { text: value }));
    const label = atlas.label[shape]!;
    if (label >= 0 && atlas.classes[label]) fact("class", atlas.classes[label]!);
    const cluster = atlas.cluster[shape]!;
    if (cluster >= 0) fact("cluster", atlas.clusterNames[cluster]!);
    if (atlas.split) fact("split", atlas.split[shape]!);
    fact("file", atlas.origins[shape] || "not recorded");
    fact("points", atlas.stored[shape]!.toLocaleString("en"));
    fact("diagonal", atlas.size[shape]!.toPrecision(3));
    const parts: Node[] = [make("h2", { text: atlas.names[shape]! }), this.turning.canvas, facts];
    for (const view of atlas.views) {
      const row = Array.from({ length: view.k }, (_, n) => view.near[view.k * shape + n]!).filter((i) => i !== NONE);
      const far = row.map((_, n) => view.far[view.k * shape + n]!.toFixed(3));
      const title = atlas.views.length > 1 ? `most like it, by ${view.name}` : "most like it";
      parts.push(make("h3", { text: title }), this.cards(row, far));
    }
    this.side.replaceChildren(...parts);
    this.side.scrollTop = 0;
    this.turning.show(shape);
  }

  private cards(shapes: number[], notes?: string[]): HTMLElement {
    const cards = shapes.map((shape, n) => {
      const canvas = make("canvas", { width: "96", height: "96" });
      const picture = this.thumbnails.of(shape);
      if (picture) canvas.getContext("2d")!.drawImage(picture, 0, 0);
      const card = make("button", { name: "card", title: this.atlas.names[shape]! }, canvas, make("span", { text: this.atlas.names[shape]! }));
      if (notes?.[n]) card.append(make("small", { text: notes[n]! }));
      card.addEventListener("click", () => this.select(shape, { move: true }));
      card.addEventListener("pointerenter", () => this.hover(shape, false));
      return card;
    });
    return make("div", { name: "cards" }, ...cards);
  }

  private colour(kind: Colouring): void {
    this.look.colouring = kind;
    const entries: Node[] = kind.range
      ? [make("span", { text: kind.range[0] }), this.ramp(kind), make("span", { text: kind.range[1] })]
      : kind.names.slice(0, 60).map((name, i) => {
          const dot = make("i");
          dot.style.background = kind.colours[i]!;
          const entry = make("button", { title: `show only ${name}` }, dot, make("span", { text: name }));
          entry.addEventListener("click", () => {
            this.showList(name, Array.from(kind.of.keys()).filter((shape) => kind.of[shape] === i));
          });
          return entry;
        });
    if (kind.names.length > 60) entries.push(make("span", { text: `and ${kind.names.length - 60} more` }));
    this.legend.replaceChildren(...entries);
    this.draw();
  }

  private ramp(kind: Colouring): HTMLElement {
    const bar = make("i", { name: "ramp" });
    bar.style.background = `linear-gradient(to right, ${kind.colours.join(",")})`;
    return bar;
  }

  private hover(shape: number | null, tip = true): void {
    if (this.look.hovered === shape) return;
    this.look.hovered = shape;
    this.tip.hidden = shape === null || !tip;
    if (shape !== null && tip) {
      this.tip.replaceChildren(make("strong", { text: this.atlas.names[shape]! }));
      const picture = this.thumbnails.of(shape);
      if (picture) {
        const canvas = make("canvas", { width: "96", height: "96" });
        canvas.getContext("2d")!.drawImage(picture, 0, 0);
        this.tip.prepend(canvas);
      }
      const map = this.maps.find((one) => one.canvas.matches(":hover")) ?? this.maps[0]!;
      const box = map.canvas.getBoundingClientRect();
      const [x, y] = map.place(shape);
      this.tip.style.left = `${Math.min(box.left + x + 14, innerWidth - 150)}px`;
      this.tip.style.top = `${Math.min(box.top + y + 14, innerHeight - 140)}px`;
    }
    this.draw();
  }

  private mark(shapes: Set<number> | null): void {
    this.look.marked = shapes;
    this.draw();
  }

  private clear(): void {
    this.list = null;
    this.search.value = "";
    this.mark(null);
    this.select(null);
  }

  private key(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key === "Escape") {
      if (this.look.selected !== null) this.select(null);
      else this.clear();
    } else if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "/") {
      this.search.focus();
      event.preventDefault();
    } else if (event.key === "+" || event.key === "=") this.maps.forEach((map) => map.zoom(1.4));
    else if (event.key === "-") this.maps.forEach((map) => map.zoom(1 / 1.4));
    else if (event.key.startsWith("Arrow")) {
      const view = this.atlas.views[0]!;
      const now = this.look.selected;
      const step = event.key === "ArrowRight" || event.key === "ArrowDown" ? 0 : 1;
      const next = now === null ? 0 : view.near[view.k * now + Math.min(step, view.k - 1)]!;
      if (next !== NONE) this.select(next, { move: true });
      event.preventDefault();
    }
  }

  private csv(shapes: number[]): string {
    const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
    const { names, origins, classes, label } = this.atlas;
    const rows = shapes.map((i) => [names[i]!, label[i]! < 0 ? "" : (classes[label[i]!] ?? ""), origins[i]!].map(cell).join(","));
    return ["name,class,file", ...rows, ""].join("\n");
  }

  /** Red, green, blue of the page's ink. */
  private ink(): readonly number[] {
    return getComputedStyle(document.body).color.match(/\d+/g)!.slice(0, 3).map(Number);
  }

  private repaint(): void {
    this.thumbnails.clear();
    if (this.look.selected !== null) this.showShape(this.look.selected);
    else if (this.list) this.showList(this.list.title, this.list.shapes);
    this.draw();
  }

  private draw(): void {
    for (const map of this.maps) map.draw();
  }
}

declare global {
  interface Window {
    explorer: Promise<Explorer>;
  }
}

window.explorer = read(document.getElementById("atlas")!.textContent!).then((atlas) => {
  return new Explorer(atlas, document.getElementById("explorer")!);
});
