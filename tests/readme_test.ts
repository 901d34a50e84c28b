/**
 * The pages tell of everything there is, and of nothing else. The examples of
 * README.md are run by `deno test --doc`.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import * as memcache from "@x/memcache";
import { COMMAND_RULES } from "../src/retry/commands.ts";
import { LAYERS } from "./_layers.ts";
import { test } from "./_runtime.ts";

const ROOT = `${import.meta.dirname}/..`;
const PAGES = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "SPEED.md",
  ...(await listGuide()),
  ...(await listExamples()),
];
const readme = await Deno.readTextFile(`${ROOT}/README.md`);

type ErrorConstructor = new (message?: string) => memcache.MemcacheError;

/** The error classes that are exported, each below its parent. */
const errorClasses = Object.values<unknown>(memcache).filter(
  (value): value is ErrorConstructor =>
    typeof value === "function" &&
    (value === memcache.MemcacheError ||
      value.prototype instanceof memcache.MemcacheError),
);

/** The pages of the guide, by their paths in the checkout. */
async function listGuide(): Promise<string[]> {
  const pages: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/docs`)) {
    if (name.endsWith(".md")) pages.push(`docs/${name}`);
  }
  return pages.sort();
}

/** The pages of the examples, by their paths in the checkout. */
async function listExamples(): Promise<string[]> {
  const pages: string[] = [];
  for await (const { name } of Deno.readDir(`${ROOT}/examples`)) {
    pages.push(`examples/${name}/README.md`);
  }
  return pages.sort();
}

/** The anchors of the headings of a page. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title.toLowerCase().replace(/[^\w\s-]/g, "").trim().replace(/\s/g, "-")
  );
}

/** The text under a heading of the second level. */
function section(title: string): string {
  const [, text] = readme.split(`\n## ${title}\n`);
  assert(text !== undefined, `README.md has no section ${title}`);
  return text.split("\n## ")[0];
}

/** The cells of the body rows of all tables in a text. */
function rowsOf(text: string): string[][] {
  return text.split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())
    )
    .filter((cells, i, rows) => !isRule(cells) && !isRule(rows[i + 1] ?? []));
}

function isRule(cells: readonly string[]): boolean {
  return cells.length > 0 && cells.every((cell) => /^:?-+:?$/.test(cell));
}

/** The texts between backticks, blocks of code left out. */
function codeOf(text: string): string[] {
  const prose = text.replace(/^```[\s\S]*?^```$/gm, "");
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
}

/** Names of the methods of an object, those of its class's parents included. */
function methodsOf(prototype: object | null): string[] {
  if (prototype === null || prototype === Object.prototype) return [];
  return [
    ...Object.getOwnPropertyNames(prototype),
    ...methodsOf(Object.getPrototypeOf(prototype)),
  ].filter((name) => name !== "constructor");
}

const methods = [...new Set(methodsOf(memcache.Client.prototype))].sort();

/** Where the options of a constructor are: their interface, and their section. */
const OPTIONS: ReadonlyArray<
  readonly [name: string, source: string, title: string]
> = [
  ["ClientOptions", "src/client/options.ts", "Options"],
  ["RetryOptions", "src/retry/options.ts", "Retries"],
  ["HashClientOptions", "src/cluster/options.ts", "Clusters"],
];

for (const [name, path, title] of OPTIONS) {
  test(`README.md lists the options of ${name} with their defaults`, async () => {
    const source = await Deno.readTextFile(`${ROOT}/${path}`);
    const [, body] = source.match(
      new RegExp(`export interface ${name} [^{]*\\{\n([\\s\\S]*?)\n\\}`),
    ) ?? [];
    const options = [...body.matchAll(/\/\*\*([\s\S]*?)\*\/\s*(\w+)\?:/g)]
      .map(([, doc, name]) => [
        name,
        doc.match(/@default \{(.*)\}/)?.[1] ?? "none",
      ]);
    assert(options.length > 5);
    const [table] = section(title).split("\n\n").filter((part) =>
      part.startsWith("| option ")
    );
    assertEquals(
      rowsOf(table).map((
        [name, , fallback],
      ) => [codeOf(name)[0], codeOf(fallback)[0] ?? fallback]),
      options,
    );
  });
}

test("README.md says which commands are attempted again", () => {
  const table = section("Retries").split("\n\n").find((part) =>
    part.startsWith("| attempted again ")
  );
  const [repeated, unsent] = rowsOf(table ?? "").map(([, names]) =>
    codeOf(names).filter((name) => /^\w+$/.test(name))
  );
  const lists: [string[], boolean][] = [[repeated, true], [unsent, false]];
  for (const [listed, repeatable] of lists) {
    const names = [...COMMAND_RULES]
      .filter(([, rule]) => rule.repeatable([]) === repeatable)
      .map(([name]) => String(name))
      .filter((name) => !/^stats\w/.test(name));
    assertEquals(listed.sort(), names.sort());
  }
});

test("README.md lists the methods of Client", () => {
  const listed = rowsOf(section("Commands")).flatMap(([names]) =>
    codeOf(names).map((code) => code.replace(/\(.*/s, ""))
  ).filter((name) => name !== "");
  assertEquals(listed.sort(), methods);
});

test("README.md lists the error classes with their codes", () => {
  const rows = rowsOf(section("Errors")).map(([names]) => codeOf(names));
  for (const Class of errorClasses) {
    const { name, code } = new Class();
    const codes = rows.filter(([listed]) => listed === name)
      .map(([, code]) => code);
    assert(
      codes.includes(Class === memcache.MemcacheError ? codes[0] : code),
      `README.md has no row for ${name} with ${code}`,
    );
  }
  assertEquals(
    [...new Set(rows.map(([name]) => name))].sort(),
    errorClasses.map(({ name }) => name).sort(),
  );
});

test("README.md lists every code that the sources have", async () => {
  const listed = new Set(
    rowsOf(section("Errors")).map(([names]) => codeOf(names)[1]),
  );
  const used = new Set<string>();
  const read = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (isDirectory) await read(`${folder}/${name}`);
      else {
        const text = await Deno.readTextFile(`${folder}/${name}`);
        for (const [, code] of text.matchAll(/code: "(ERR_\w+)"/g)) {
          used.add(code);
        }
      }
    }
  };
  await read(`${ROOT}/src`);
  assertEquals([...listed].sort(), [...used].sort());
});

test("README.md draws the tree of the error classes", () => {
  const draw = (parent: ErrorConstructor, indent: string): string[] => {
    const children = errorClasses.filter((Class) =>
      Object.getPrototypeOf(Class) === parent
    );
    return children.flatMap((Class, i) => {
      const last = i === children.length - 1;
      return [
        `${indent}${last ? "└─" : "├─"} ${Class.name}`,
        ...draw(Class, `${indent}${last ? "   " : "│  "}`),
      ];
    });
  };
  const [, drawn] = section("Errors").match(/```text\n([\s\S]*?)\n```/) ?? [];
  // The order of brothers is the page's own; who is below whom is not.
  const parents = (lines: readonly string[]): string[] =>
    lines.map((line, i) => {
      const depth = line.search(/\w/);
      const above = lines.slice(0, i).findLast((other) =>
        other.search(/\w/) < depth
      );
      return `${line.replace(/\W+/, "")} < ${above?.replace(/\W+/, "") ?? ""}`;
    }).sort();
  assertEquals(
    parents(drawn.split("\n")),
    parents(["MemcacheError", ...draw(memcache.MemcacheError, "")]),
  );
});

test("docs/coming-from.md names counterparts that there are", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/coming-from.md`);
  const options = new Set(
    ["Options", "Pools", "Clusters", "Retries"].flatMap((title) =>
      rowsOf(section(title)).map(([name]) => codeOf(name)[0])
    ),
  );
  for (const part of ["pymemcache", "memjs", "memcached", "memcache"]) {
    const [, text] = page.split(`\n## ${part}\n`);
    const tables = text.split("\n## ")[0].split("\n\n");
    const find = (kind: RegExp) =>
      rowsOf(tables.find((table) => kind.test(table)) ?? "");
    const known = find(/^\| \w+ (?:option|`Client)/);
    const calls = find(/^\| \w+ method/);
    assert(known.length > 8 && calls.length > 8, part);
    for (const [theirs, ours] of known) {
      // Defaults, and further values, are told behind the name.
      for (const code of codeOf(ours.replace(/default `.*?`/, ""))) {
        const name = code.replace(/:.*/, "");
        const isKnown = options.has(name) || name in memcache;
        assert(isKnown, `${theirs}: there is no option ${name}`);
      }
    }
    for (const [theirs, ours] of calls) {
      for (const code of codeOf(ours)) {
        const name = code.replace(/\(.*/s, "");
        const isMethod = name === "" || methods.includes(name);
        assert(isMethod, `${theirs}: there is no method ${name}`);
      }
    }
  }
});

test("ARCHITECTURE.md shows the layers that are enforced", async () => {
  const page = await Deno.readTextFile(`${ROOT}/ARCHITECTURE.md`);
  const parts = new Set(["mod"]);
  for await (const { name } of Deno.readDir(`${ROOT}/src`)) {
    parts.add(name.replace(/\.ts$/, ""));
  }
  const [, table] = page.split("## Who may import whom");
  const shown = rowsOf(table.split("\n## ")[0]).map(([part, others]) =>
    [codeOf(part)[0], codeOf(others).sort()] as const
  );
  const enforced = Object.entries(LAYERS)
    .filter(([part]) => parts.has(part))
    .map(([part, others]) =>
      [
        part,
        others.filter((other) => parts.has(other.replace(/\/.*/, ""))).sort(),
      ] as const
    );
  assertEquals(Object.fromEntries(shown), Object.fromEntries(enforced));
});

test("SECURITY.md names a test for every promise", async () => {
  const text = await Deno.readTextFile(`${ROOT}/SECURITY.md`);
  const rows = rowsOf(text);
  assert(rows.length > 12);
  for (const [promise, tests] of rows) {
    assert(codeOf(tests).some((path) => /^tests\//.test(path)), promise);
  }
});

for (const page of PAGES) {
  test(`${page} names files that there are`, async () => {
    const text = await Deno.readTextFile(`${ROOT}/${page}`);
    const paths = codeOf(text).filter((code) =>
      /^(?:src|tests|tools|bench)\/[\w/.]*$/.test(code) &&
      // A pattern for names, not a name.
      !/\bx_test\.ts$/.test(code)
    );
    for (const path of new Set(paths)) {
      await Deno.stat(`${ROOT}/${path}`).catch(() => assert(false, path));
    }
  });

  test(`${page} has no dead link`, async () => {
    const text = await Deno.readTextFile(`${ROOT}/${page}`);
    const here = new URL(page, `file://${ROOT}/`);
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (target.startsWith("https://")) continue;
      const url = new URL(target, here);
      const [path, anchor] = [url.pathname, url.hash.slice(1)];
      const other = await Deno.readTextFile(path).catch(() => undefined);
      assert(other !== undefined, `${page}: there is no ${target}`);
      if (anchor !== "") assert(anchorsOf(other).includes(anchor), target);
    }
  });
}

test("docs/operating.md says what to do about every error", async () => {
  const page = await Deno.readTextFile(`${ROOT}/docs/operating.md`);
  const [, tables] = page.split("\n## By code\n");
  const rows = rowsOf(tables.split("\n## ")[0]);
  const told = rows.map(([code, name, ...texts]) => {
    // The root of a family is never thrown: there is nothing to do.
    const [named] = codeOf(code);
    assert(named === "ERR_MISS" || texts.every((text) => text !== ""), named);
    return `${codeOf(name)[0]} ${named}`;
  });
  const listed = rowsOf(section("Errors")).map(([names]) =>
    codeOf(names).join(" ")
  );
  assertEquals(told.sort(), listed.sort());
});

test("docs/README.md lists the pages of the guide", async () => {
  const text = await Deno.readTextFile(`${ROOT}/docs/README.md`);
  const linked = [...text.matchAll(/\]\(\.\/([\w-]+\.md)/g)]
    .map(([, name]) => `docs/${name}`);
  assertEquals(
    ["docs/README.md", ...linked].sort(),
    PAGES.filter((page) => page.startsWith("docs/")),
  );
});

test("README.md lists the examples", () => {
  const linked = [...section("Examples").matchAll(/\]\(\.\/([^)]+)\)/g)]
    .map(([, page]) => page);
  assertEquals(
    linked.sort(),
    PAGES.filter((page) => page.startsWith("examples/")),
  );
});

test("README.md names an existing test for every figure, and a part that measures it", async () => {
  const text = section("Reliability, as figures");
  const [, ...rows] = rowsOf(text);
  assert(rows.length > 20, `${rows.length} rows`);
  const exists = async (path: string): Promise<boolean> =>
    await Deno.stat(`${ROOT}/${path}`).then(
      ({ isFile }) => isFile,
      () => false,
    );
  for (const [what, bar, measured, held] of rows) {
    assert(what !== "" && bar !== "" && measured !== "", what);
    const files = codeOf(held);
    assert(files.length > 0, `${what}: no test is named`);
    for (const file of files) {
      assert(/^tests\/.+_test\.ts$/.test(file), `${what}: ${file}`);
      assert(await exists(file), `${what}: there is no ${file}`);
    }
  }
  const parts = [];
  for await (const { name } of Deno.readDir(`${ROOT}/bench/figures`)) {
    if (!name.startsWith("_") && name !== "run.ts") {
      parts.push(name.replace(".ts", ""));
    }
  }
  const [, named] = text.match(/`deno task figures ([\s\S]*?) take them/) ?? [];
  assertEquals(
    named.match(/[a-z]+/g)?.filter((word) => word !== "and").sort(),
    parts.sort(),
  );
});
