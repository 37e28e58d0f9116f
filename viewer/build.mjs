// Bundles the viewer with three.js, which report pages carry, and the explorer, each into one script.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

// What the bundle is made from; a test compares this digest with the sources that stand here.
const sources = ["build.mjs", "package-lock.json", "tsconfig.json", ...readdirSync("src").map((name) => `src/${name}`)].sort();
const digest = createHash("sha256");
for (const name of sources) digest.update(`${name}\0`).update(readFileSync(name)).update("\0");

const { version } = JSON.parse(readFileSync("node_modules/three/package.json", "utf8"));
const licence = readFileSync("node_modules/three/LICENSE", "utf8").trim().replace("\u00a9", "(c)");

// Pages are passed on by themselves, so the licence of what they contain goes with them.
const made = `sources sha256 ${digest.digest("hex")}`;
const bundles = [
  { from: "src/main.ts", to: "viewer.js", says: `pointssl viewer (Apache-2.0). Contains three.js ${version}:\n\n${licence}` },
  { from: "src/explore-main.ts", to: "explore.js", says: "pointssl explorer (Apache-2.0)." },
];
for (const { from, to, says } of bundles) {
  await build({
    entryPoints: [from],
    outfile: `../src/pointssl/show/assets/${to}`,
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "ascii",
    legalComments: "none",
    banner: { js: `/*\n${made}\n${says}\n*/` },
    logLevel: "info",
  });
}
