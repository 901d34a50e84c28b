/**
 * Who may import whom: the layers of the design, read from the imports.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { LAYERS, PACKAGES } from "./_layers.ts";
import { test } from "./_runtime.ts";

/** The files that may name a runtime or its sockets, and the parts exempt. */
const ADAPTERS: readonly string[] = [
  "conn/deno.ts",
  "conn/bun.ts",
  "conn/node.ts",
  // What is written to a response of node:http may be text in any encoding.
  "adapters/capture.ts",
];
const EXEMPT: readonly string[] = ["testing", "cli"];
const RUNTIME_MODULES = /^node:(?:net|tls|buffer|process)$/;
const RUNTIME_NAMES =
  /(?<![\w$.])(?:globalThis\s*\??\.\s*)?(?:Deno|Bun|Buffer|process)\b(?!\s*\??:)/g;

const MAX_LINES = 500;

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const ROOT = `${import.meta.dirname}/..`;
const sources = await readSources();

test("src imports by the layers of the design", () => {
  const faults = sources.flatMap(({ path, imports }) =>
    imports.filter((to) => !isFromOutside(path, to) && !mayImport(path, to))
      .map((to) => `${path} imports ${to}`)
  );
  assertEquals(faults, []);
});

test("src imports files that exist and nothing unlisted from outside", () => {
  const known = new Set(sources.map(({ path }) => path));
  const faults = sources.flatMap(({ path, imports }) =>
    imports.filter((to) => !isFromOutside(path, to) && !known.has(to))
      .map((to) => `${path} imports ${to}`)
  );
  assertEquals(faults, []);
});

test("src has no import cycle", () => {
  assertEquals(findCycle(sources), undefined);
});

test("src names a runtime only in its adapters", () => {
  const faults = sources
    .filter(({ path }) =>
      !ADAPTERS.includes(path) && !EXEMPT.includes(partOf(path))
    )
    .flatMap(({ path, text, imports }) =>
      [
        ...imports.filter((to) => RUNTIME_MODULES.test(to)),
        ...withoutProse(text).match(RUNTIME_NAMES) ?? [],
      ].map((name) => `${path} names ${name}`)
    );
  assertEquals(faults, []);
});

test("src reads the environment only on the command line", () => {
  const faults = sources.filter(({ path, text }) =>
    path !== "cli/terminal.ts" && /\benv\b/.test(withoutProse(text)) &&
    !path.startsWith("cli/")
  ).map(({ path }) => path);
  assertEquals(faults, []);
  // The others ask the terminal, by name.
  const readers = sources.filter(({ text }) =>
    /\b(?:process|Deno|Bun)\s*\??\.\s*env\b/.test(withoutProse(text))
  ).map(({ path }) => path);
  assertEquals(readers, ["cli/terminal.ts"]);
});

test("src has no file of more than 500 lines", () => {
  const faults = sources
    .map(({ path, text }) => `${path}: ${text.split("\n").length - 1}`)
    .filter((line) => Number(line.split(": ")[1]) > MAX_LINES);
  assertEquals(faults, []);
});

const CASES: readonly [from: string, to: string, allowed: boolean][] = [
  ["wire/decoder.ts", "wire/reply.ts", true],
  ["wire/decoder.ts", "errors.ts", true],
  ["wire/decoder.ts", "conn/conn.ts", false],
  ["connection/link.ts", "conn/conn.ts", true],
  ["connection/link.ts", "conn/dial.ts", false],
  ["errors.ts", "types.ts", false],
  ["strict.ts", "client/commands.ts", true],
  ["strict.ts", "client/client.ts", false],
  ["cli/main.ts", "../mod.ts", true],
  ["../mod.ts", "cli/main.ts", false],
  ["../mod.ts", "structured/mod.ts", false],
  ["client/client.ts", "structured/mod.ts", false],
  ["unheard_of.ts", "errors.ts", false],
];

test("mayImport() follows the table", () => {
  for (const [from, to, allowed] of CASES) {
    assertEquals(mayImport(from, to), allowed, `${from} -> ${to}`);
  }
});

test("isFromOutside() follows the list of packages", () => {
  assertEquals(isFromOutside("structured/read.ts", "devalue"), true);
  assertEquals(isFromOutside("serde/json.ts", "devalue"), false);
  assertEquals(isFromOutside("structured/read.ts", "other"), false);
  assertEquals(isFromOutside("serde/zlib.ts", "node:zlib"), true);
});

test("importsOf() and withoutProse() read code, not comments", () => {
  const text = [
    '/** `import { a } from "./doc.ts";` and Deno. */',
    'import { b } from "./b.ts"; // process',
    'import {\n  c,\n  type C,\n} from "../c.ts";',
    'export * from "./d.ts";',
    'import "./e.ts";',
    'type F = import("./f.ts").F;',
    'const g = await import("./g.ts");',
    '// import("./h.ts")',
    'const i = "Deno" in globalThis && "from \\"x\\"";',
    "const j = globalThis.Bun, k = { process: 1 }, l = new Buffer();",
  ].join("\n");
  assertEquals(
    importsOf("wire/a.ts", text),
    ["b", "d", "e", "f", "g"].map((name) => `wire/${name}.ts`).concat("c.ts")
      .sort(),
  );
  assertEquals(withoutProse(text).match(RUNTIME_NAMES), [
    "globalThis.Bun",
    "Buffer",
  ]);
});

test("findCycle() finds the files of a cycle", () => {
  const graph = (edges: Record<string, string[]>): Source[] =>
    Object.entries(edges).map(([path, imports]) => ({
      path,
      imports,
      text: "",
    }));
  assertEquals(findCycle(graph({ a: ["b", "c"], b: ["c"], c: [] })), undefined);
  assertEquals(findCycle(graph({ a: ["b"], b: ["c"], c: ["b"] })), [
    "b",
    "c",
    "b",
  ]);
});

/** Whether a module is the runtime's, or a package that the part may import. */
function isFromOutside(from: string, to: string): boolean {
  return to.startsWith("node:") ||
    (PACKAGES[partOf(from)]?.includes(to) ?? false);
}

function mayImport(from: string, to: string): boolean {
  const part = partOf(from);
  const target = partOf(to);
  const allowed = LAYERS[part];
  return allowed !== undefined &&
    (part === target || allowed.includes(target) || allowed.includes(to));
}

/** The first folder of a path in src, or the name of a file beside the folders. */
function partOf(path: string): string {
  return path.replace(/^\.\.\//, "").replace(/\/.*|\.ts$/, "");
}

/** The modules that a file imports, types included, as paths in src. */
function importsOf(path: string, text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
  const found = [
    ...code.matchAll(/^(?:import|export)\b[^;"'()]*?\bfrom\s*"([^"]+)"/gm),
    ...code.matchAll(/^import\s*"([^"]+)"/gm),
    ...code.matchAll(/\bimport\(\s*"([^"]+)"/g),
  ].map(([, specifier]) => specifier);
  const base = new URL(path, "file:///project/src/");
  return [...new Set(found)].map((specifier) => {
    if (!specifier.startsWith(".")) return specifier;
    const { pathname } = new URL(specifier, base);
    return pathname.replace(/^\/project\/(?!src\/)/, "../").replace(
      "/project/src/",
      "",
    );
  }).sort();
}

/** The code without comments and texts. */
function withoutProse(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g,
    "",
  );
}

function findCycle(graph: readonly Source[]): string[] | undefined {
  const edges = new Map(graph.map(({ path, imports }) => [path, imports]));
  const done = new Set<string>();
  const visit = (path: string, above: string[]): string[] | undefined => {
    if (above.includes(path)) {
      return [...above.slice(above.indexOf(path)), path];
    }
    if (done.has(path)) return undefined;
    for (const to of edges.get(path) ?? []) {
      const cycle = visit(to, [...above, path]);
      if (cycle !== undefined) return cycle;
    }
    done.add(path);
    return undefined;
  };
  for (const { path } of graph) {
    const cycle = visit(path, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

async function readSources(): Promise<Source[]> {
  const paths = ["../mod.ts"];
  const read = async (folder: string): Promise<void> => {
    for await (
      const { name, isDirectory } of Deno.readDir(`${ROOT}/src/${folder}`)
    ) {
      if (isDirectory) await read(`${folder}${name}/`);
      else if (name.endsWith(".ts")) paths.push(`${folder}${name}`);
    }
  };
  await read("");
  return await Promise.all(
    paths.sort().map(async (path) => {
      const text = await Deno.readTextFile(`${ROOT}/src/${path}`);
      return { path, text, imports: importsOf(path, text) };
    }),
  );
}
