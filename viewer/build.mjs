// Bundles the viewer and three.js into the one script that report pages carry.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";

// What the bundle is made from; a test compares this digest with the sources that stand here.
const sources = ["build.mjs", "package-lock.json", "tsconfig.json", ...readdirSync("src").map((name) => `src/${name}`)].sort();
const digest = createHash("sha256");
for (const name of sources) digest.update(`${name}\0`).update(readFileSync(name)).update("\0");

const { version } = JSON.parse(readFileSync("node_modules/three/package.json", "utf8"));
const licence = readFileSync("node_modules/three/LICENSE", "utf8").trim().replace("\u00a9", "(c)");

await build({
  entryPoints: ["src/main.ts"],
  outfile: "../src/pointssl/show/assets/viewer.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  banner: {
    // Pages are passed on by themselves, so the licence of what they contain goes with them.
    js: `/*\nsources sha256 ${digest.digest("hex")}\npointssl viewer (Apache-2.0). Contains three.js ${version}:\n\n${licence}\n*/`,
  },
  logLevel: "info",
});
