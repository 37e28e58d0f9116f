// Mounts a viewer in every element with `data-viewer`, and offers them to scripts as `window.pointssl`.
import { read } from "./data";
import { Viewer } from "./viewer";

interface PageApi {
  /** Settles when every view on the page is drawn; rejects with the reason when one cannot be. */
  ready: Promise<void>;
  viewers: Viewer[];
  /** Chooses a point of the first view and colours everything by the distance to it. */
  pick(index: number): void;
}

declare global {
  interface Window {
    pointssl: PageApi;
  }
}

async function mount(place: HTMLElement): Promise<Viewer> {
  try {
    const data = document.getElementById(place.dataset["viewer"]!);
    const viewer = new Viewer(place, await read(data!.textContent!));
    data!.remove();
    return viewer;
  } catch (error) {
    place.textContent = `This view needs WebGL 2, which this browser does not offer here (${String(error)}). The still pictures below show the same shapes.`;
    throw error;
  }
}

const viewers: Viewer[] = [];
window.pointssl = {
  viewers,
  ready: (async () => {
    for (const place of document.querySelectorAll<HTMLElement>("[data-viewer]")) viewers.push(await mount(place));
  })(),
  pick: (index) => viewers[0]!.pick(index),
};
window.pointssl.ready.catch(() => undefined);
