// Small pieces of the page.

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Buttons of which one is chosen; returns the group and a function that shows a choice made elsewhere. */
export function choice<T extends string>(
  label: string,
  options: readonly (readonly [T, string])[],
  chosen: (value: T) => void,
): { group: HTMLElement; show: (value: T) => void } {
  const group = element("div", { class: "viewer-choice", role: "group", "aria-label": label });
  const buttons = new Map<T, HTMLButtonElement>();
  const show = (value: T) => buttons.forEach((button, key) => button.setAttribute("aria-pressed", String(key === value)));
  for (const [value, text] of options) {
    const button = element("button", { type: "button", "data-value": value }, text);
    button.addEventListener("click", () => chosen(value));
    buttons.set(value, button);
    group.append(button);
  }
  return { group, show };
}

export function checkbox(text: string, on: boolean, changed: (on: boolean) => void): HTMLLabelElement {
  const box = element("input", { type: "checkbox" });
  box.checked = on;
  box.addEventListener("change", () => changed(box.checked));
  return element("label", { class: "viewer-check" }, box, text);
}
