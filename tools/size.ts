/**
 * How large the package is in a program that is bundled: `deno task size`
 * measures it and writes the figures into README.md and bench/results/size.json,
 * which tests/package/size_test.ts holds.
 *
 * @module
 */
import { gzipSync } from "node:zlib";

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

/** The file of the figures. */
export const RECORD: string = `${ROOT}/bench/results/size.json`;

/** What stands around the figures in README.md. */
const MARKS = ["<!-- size -->", "<!-- end of size -->"] as const;

/** What is imported, by what README.md calls it. */
const IMPORTS: ReadonlyArray<readonly [name: string, code: string]> = [
  ["all of `@x/memcache`", "export *"],
  ["`Client` alone", "export { Client }"],
  ["`HashClient` alone", "export { HashClient }"],
];

/** The size of one import, in bytes. */
export interface Size {
  /** Bundled and minified. */
  readonly minified: number;
  /** The same after gzip, level 9. */
  readonly gzip: number;
}

/** The sizes of all imports, and what the parts of src have in the first. */
export interface Sizes {
  /** By what README.md calls the import. */
  readonly imports: Readonly<Record<string, Size>>;
  /** Minified bytes, by the names of tests/_layers.ts. */
  readonly parts: Readonly<Record<string, number>>;
}

/** What is read of a source map. */
export interface SourceMap {
  /** The paths of the sources. */
  readonly sources: readonly string[];
  /** Where each piece of the text is from, as the format encodes it. */
  readonly mappings: string;
}

const DIGITS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Reads the numbers of one segment of a source map: base64, five bits each. */
function readNumbers(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value += (bits & 31) << shift;
    shift += 5;
    if ((bits & 32) !== 0) continue;
    numbers.push((value & 1) === 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return numbers;
}

/**
 * Counts how many characters of a text are from each source. What is from none,
 * as what the bundler adds, counts for the empty name.
 */
export function countBySource(
  text: string,
  { sources, mappings }: SourceMap,
): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (name: string, characters: number) =>
    counts.set(name, (counts.get(name) ?? 0) + characters);
  const lines = text.split("\n");
  let source = 0;
  for (const [i, line] of mappings.split(";").entries()) {
    // The columns begin anew with each line, the sources do not.
    let column = 0;
    let name = "";
    for (const segment of line.split(",")) {
      const [columns, sourcesOn] = readNumbers(segment);
      if (columns === undefined) continue;
      if (columns > 0) count(name, columns);
      column += columns;
      source += sourcesOn ?? 0;
      name = sourcesOn === undefined ? "" : sources[source];
    }
    count(name, (lines[i]?.length ?? 0) - column);
  }
  return counts;
}

/** The part of src that a file belongs to, by the names of tests/_layers.ts. */
function partOf(path: string): string {
  const [, part] = path.match(/(?:^|\/)src\/(\w+)/) ?? [];
  return part ?? (path.endsWith("/mod.ts") ? "mod" : "bundler");
}

async function bundle(
  code: string,
  folder: string,
): Promise<{ text: string; map: SourceMap }> {
  const path = `${folder}/entry.ts`;
  await Deno.writeTextFile(path, `${code} from "${ROOT}/mod.ts";\n`);
  const { code: status, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["bundle", "--quiet", "--minify", "--sourcemap=external"],
      ...[`--outdir=${folder}/out`, path],
    ],
    cwd: ROOT,
  }).output();
  if (status !== 0) throw new Error(new TextDecoder().decode(stderr));
  return {
    text: await Deno.readTextFile(`${folder}/out/entry.js`),
    map: JSON.parse(await Deno.readTextFile(`${folder}/out/entry.js.map`)),
  };
}

/** Measures the sources as they are. */
export async function measure(): Promise<Sizes> {
  const folder = await Deno.makeTempDir();
  try {
    const imports: Record<string, Size> = {};
    const parts: Record<string, number> = {};
    for (const [name, code] of IMPORTS) {
      const { text, map } = await bundle(code, folder);
      const bytes = new TextEncoder().encode(text);
      const gzip = gzipSync(bytes, { level: 9 }).length;
      imports[name] = { minified: bytes.length, gzip };
      if (name !== IMPORTS[0][0]) continue;
      // The list of exports at the end is no part's.
      const end = text.lastIndexOf("export{");
      const counts = countBySource(text.slice(0, end), map);
      const rest = ["", text.length - end] as const;
      for (const [path, characters] of [...counts, rest]) {
        const part = partOf(path);
        parts[part] = (parts[part] ?? 0) + characters;
      }
    }
    const sorted = Object.entries(parts).sort(([a], [b]) => a < b ? -1 : 1);
    return { imports, parts: Object.fromEntries(sorted) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Reads the figures that are stated. */
export async function readRecord(): Promise<Sizes> {
  return JSON.parse(await Deno.readTextFile(RECORD));
}

/** Tells which parts have other sizes than before, the largest change first. */
export function compareParts(
  before: Sizes["parts"],
  now: Sizes["parts"],
): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return names
    .map((name) => ({ name, by: (now[name] ?? 0) - (before[name] ?? 0) }))
    .filter(({ by }) => by !== 0)
    .sort((a, b) => Math.abs(b.by) - Math.abs(a.by))
    .map(({ name, by }) => `${name} ${by > 0 ? "+" : ""}${by}`);
}

/** Writes the figures as README.md has them. */
export function writeTable({ imports }: Sizes): string {
  const show = (bytes: number) => `${Math.round(bytes / 1000)} KB`;
  const rows = [
    ["import", "minified", "gzip"],
    ...Object.entries(imports).map(([name, { minified, gzip }]) => [
      name,
      show(minified),
      show(gzip),
    ]),
  ];
  const widths = rows[0].map((_, i) =>
    Math.max(...rows.map((cells) => cells[i].length))
  );
  const lines = rows.map((cells) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`
  );
  lines.splice(1, 0, `| ${widths.map((n) => "-".repeat(n)).join(" | ")} |`);
  return lines.join("\n");
}

/** The figures that a text has between the marks. */
export function readTable(text: string): string {
  const [, rest = ""] = text.split(MARKS[0]);
  return rest.split(MARKS[1])[0].trim();
}

if (import.meta.main) {
  const sizes = await measure();
  const before = await readRecord().catch(() => undefined);
  await Deno.writeTextFile(RECORD, `${JSON.stringify(sizes, null, 2)}\n`);
  const readme = await Deno.readTextFile(`${ROOT}/README.md`);
  const table = writeTable(sizes);
  await Deno.writeTextFile(
    `${ROOT}/README.md`,
    readme.replace(
      readme.slice(
        readme.indexOf(MARKS[0]),
        readme.indexOf(MARKS[1]),
      ),
      () => `${MARKS[0]}\n\n${table}\n\n`,
    ),
  );
  console.log(table);
  const changes = compareParts(before?.parts ?? {}, sizes.parts);
  if (changes.length > 0) console.log(`changed: ${changes.join(", ")}`);
}
