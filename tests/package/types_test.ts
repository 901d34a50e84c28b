/**
 * The types of the packed package, as TypeScript and the linters of packages
 * see them in a project that has installed it.
 *
 * @module
 */
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { test } from "../_runtime.ts";
import {
  installEnv,
  NPM_INSTALL,
  NpmStandIn,
  packFolder,
  writeProject,
} from "./_npm.ts";
import {
  ENTRIES,
  execute,
  lacks,
  NODES,
  type Outcome,
  ROOT,
  succeed,
  tool,
  withFolder,
} from "./_programs.ts";

/** The compilers, with what they say of their version. */
const COMPILERS: ReadonlyArray<readonly [version: string, path: string]> = [
  ["5.2", "typescript52/bin/tsc"],
  ["5.9", "typescript59/bin/tsc"],
  ["6.0", "typescript60/bin/tsc"],
  ["7.0", "typescript/bin/tsc"],
];

/** The two ways in which projects find the types of a package. */
const RESOLUTIONS: ReadonlyArray<
  readonly [name: string, options: Readonly<Record<string, string>>]
> = [
  ["nodenext", { module: "nodenext" }],
  ["bundler", { module: "esnext", moduleResolution: "bundler" }],
];

const NODE = "node22/bin/node";
const PUBLINT = "publint/src/cli.js";
const ATTW = "@arethetypeswrong/cli/dist/index.js";

/** Gives a function a project that has the package, as npm installs it. */
async function withInstalled(
  fn: (folder: string) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const registry = await NpmStandIn.start();
    try {
      await writeProject(folder, registry);
      await succeed(NPM_INSTALL, { cwd: folder, env: installEnv(folder) });
    } finally {
      await registry.close();
    }
    await fn(folder);
  });
}

/** Writes the programs that the compilers check; one of them is wrong. */
async function writePrograms(folder: string): Promise<void> {
  await Deno.copyFile(`${ROOT}/.ci/consumer.ts`, `${folder}/consumer.ts`);
  const entries = [
    ...ENTRIES.map((entry, i) => `import * as m${i} from "${entry}";`),
    `export const all: readonly object[] = [${
      ENTRIES.map((_, i) => `m${i}`)
    }];`,
  ];
  await Deno.writeTextFile(`${folder}/entries.ts`, entries.join("\n"));
  const wrong = [
    `import { Client } from "${config.name}";`,
    'const client: Client = new Client("127.0.0.1:1");',
    'export const found: string = await client.get<string>("key");',
  ];
  await Deno.writeTextFile(`${folder}/wrong.ts`, wrong.join("\n"));
}

/** Lets a compiler check the programs as strictly as it can. */
async function compile(
  folder: string,
  path: string,
  options: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const files = ["consumer.ts", "entries.ts", "wrong.ts"];
  const project = `tsconfig.${crypto.randomUUID()}.json`;
  const compilerOptions = {
    ...{ target: "es2022", lib: ["es2022"], noEmit: true, ...options },
    ...{ strict: true, skipLibCheck: false, verbatimModuleSyntax: true },
    ...{ exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    ...{ types: ["node"], typeRoots: [`${ROOT}/.ci/node_modules/@types`] },
  };
  await Deno.writeTextFile(
    `${folder}/${project}`,
    JSON.stringify({ compilerOptions, files }),
  );
  return await execute([tool(NODE), tool(path), "-p", project], {
    cwd: folder,
  });
}

test("TypeScript from 5.2 to 7.0 takes the types of every entry", async () => {
  await withInstalled(async (folder) => {
    await writePrograms(folder);
    const jobs = COMPILERS.flatMap(([version, path]) =>
      RESOLUTIONS.map(([name, options]) => async () => {
        const what = `${version}, ${name}`;
        const said = await succeed([tool(NODE), tool(path), "--version"]);
        assertMatch(said, new RegExp(`^Version ${version}\\.`));
        const { out, error } = await compile(folder, path, options);
        // A miss is no string: types that were `any` would not tell.
        assertMatch(
          out,
          /^wrong\.ts\(3,14\): error TS2322: Type 'string \| undefined' is not/,
          what,
        );
        assertEquals(out.match(/error/g), ["error"], out);
        assertEquals(error, "", what);
      })
    );
    const work = async () => {
      for (let job; (job = jobs.shift()) !== undefined;) await job();
    };
    await Promise.all([work(), work()]);
  });
}, {
  timeout: 180_000,
  skip: lacks(NODE, ...COMPILERS.map(([, path]) => path)),
});

test("publint and attw find nothing in the package", async () => {
  await withInstalled(async (folder) => {
    const home = `${folder}/node_modules/${config.name}`;
    const tarball = `${folder}/package.tgz`;
    const lint = async () => {
      await packFolder(home, tarball);
      const run = (path: string, ...args: string[]) =>
        execute([tool(NODE), tool(path), ...args], { cwd: folder });
      return await Promise.all([
        run(PUBLINT, "run", tarball, "--strict"),
        // What is written for ECMAScript modules only cannot be required by
        // TypeScript's oldest ways; that is what the profile says.
        run(ATTW, tarball, "--profile", "esm-only", "--format", "ascii"),
      ]);
    };
    const [publint, attw] = await lint();
    assertEquals(publint.code, 0, publint.out + publint.error);
    assertMatch(publint.out, /All good!/);
    assertEquals(attw.code, 0, attw.out + attw.error);
    for (const entry of ENTRIES) {
      // The package has the name here that it has in JSR's npm layer.
      const path = entry.slice(config.name.length);
      assertMatch(attw.out, new RegExp(`^"@jsr/x__memcache${path}"$`, "m"));
    }
    // Both tell of an entry without types.
    const manifest = JSON.parse(
      await Deno.readTextFile(`${home}/package.json`),
    );
    manifest.exports["./testing"].types = "./absent.d.ts";
    await Deno.writeTextFile(
      `${home}/package.json`,
      JSON.stringify(manifest),
    );
    for (const { code, out } of await lint()) assertNotEquals(code, 0, out);
  });
}, { timeout: 120_000, skip: lacks(NODE, PUBLINT, ATTW, ...NODES) });
