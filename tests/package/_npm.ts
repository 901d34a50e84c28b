/**
 * A stand-in for JSR's npm layer on loopback: serves the packed package by the
 * name that it has there, and the packages that it depends on.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { deno, ROOT, succeed, withFolder } from "./_programs.ts";

/** The name of the package in JSR's npm layer. */
export const NPM_NAME: string = config.name.replace(
  /^@(.+)\/(.+)$/,
  "@jsr/$1__$2",
);

/** What this file reads of a package.json. */
interface Manifest {
  readonly name: string;
  readonly version: string;
}

/** A package as a registry serves it. */
interface Package {
  readonly manifest: Manifest;
  readonly integrity: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A package that another one needs, as `deno info` tells it. */
interface Needed {
  readonly name: string;
  readonly version: string;
}

/** Lists the packages that files need, and those that these need. */
async function listNeeded(files: readonly string[]): Promise<Needed[]> {
  const found = new Map<string, Needed>();
  const texts = await Promise.all(
    files.map((file) => succeed(deno("info", "--json", file))),
  );
  for (const text of texts) {
    const { npmPackages } = JSON.parse(text) as {
      npmPackages: Record<string, Needed>;
    };
    for (const [id, needed] of Object.entries(npmPackages)) {
      found.set(id, needed);
    }
  }
  return [...found.values()];
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** Makes a tarball of a folder, laid out as npm wants it. */
export async function packFolder(
  folder: string,
  tarball: string,
): Promise<void> {
  const name = folder.slice(folder.lastIndexOf("/") + 1);
  await succeed([
    ...["tar", "-czf", tarball, "-C", folder.slice(0, -name.length - 1)],
    ...[`--transform=s,^${name},package,`, name],
  ]);
}

/** Reads a package from its folder. */
async function readPackage(
  folder: string,
  tarball: string,
): Promise<Package> {
  await packFolder(folder, tarball);
  const bytes = await Deno.readFile(tarball);
  const digest = await crypto.subtle.digest("SHA-512", bytes);
  const manifest: Manifest = JSON.parse(
    await Deno.readTextFile(`${folder}/package.json`),
  );
  const integrity = `sha512-${new Uint8Array(digest).toBase64()}`;
  return { manifest, integrity, bytes };
}

/** Packs the checkout, by the name that it has in JSR's npm layer. */
async function readCheckout(folder: string): Promise<Package> {
  const tarball = `${folder}/packed.tgz`;
  await succeed(deno("run", "-A", `${ROOT}/tools/pack.ts`, tarball));
  await succeed(["tar", "-xzf", tarball, "-C", folder]);
  const path = `${folder}/package/package.json`;
  const manifest = JSON.parse(await Deno.readTextFile(path));
  assertEquals(manifest.name, config.name);
  manifest.name = NPM_NAME;
  await Deno.writeTextFile(path, JSON.stringify(manifest));
  return await readPackage(`${folder}/package`, tarball);
}

/** Reads the dependencies of files, from where Deno keeps them. */
async function readNeeded(
  folder: string,
  files: readonly string[],
): Promise<Package[]> {
  await succeed(deno("cache", "--quiet", ...files));
  const { npmCache } = JSON.parse(await succeed(deno("info", "--json")));
  const hosts: string[] = [];
  for await (const { name } of Deno.readDir(npmCache)) hosts.push(name);
  const packages: Package[] = [];
  for (const { name, version } of await listNeeded(files)) {
    const host = hosts.find((host) =>
      exists(`${npmCache}/${host}/${name}/${version}/package.json`)
    );
    assert(host !== undefined, `Deno does not have ${name} ${version}`);
    const home = `${npmCache}/${host}/${name}/${version}`;
    packages.push(await readPackage(home, `${folder}/needed.tgz`));
  }
  return packages;
}

let packed: Promise<Package[]> | undefined;

/**
 * The packed checkout, what it depends on, and what programs do, made once for a
 * file of tests.
 */
function packAll(programs: readonly string[]): Promise<Package[]> {
  return packed ??= (async () => {
    const packages: Package[] = [];
    const files = [...Object.values(config.exports), ...programs];
    await withFolder(async (folder) => {
      const needed = await readNeeded(folder, files);
      packages.push(await readCheckout(folder), ...needed);
    });
    return packages;
  })();
}

/** A registry for `npm`, `bun` and Deno. */
export class NpmStandIn {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #packages: readonly Package[];

  private constructor(packages: readonly Package[]) {
    this.#packages = packages;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  /**
   * Starts a registry with the packed checkout and what it depends on, and with
   * what `programs` do: files of the checkout or packages as `npm:` …, the same
   * in all calls of a file of tests. The tarball is not the one of its checksum if `changed`.
   */
  static async start(
    { changed = false, programs = [] }: {
      changed?: boolean;
      programs?: readonly string[];
    } = {},
  ): Promise<NpmStandIn> {
    const [own, ...needed] = await packAll(programs);
    // Bytes behind the end of an archive change nothing but its checksum.
    const bytes = new Uint8Array([...own.bytes, ...new Uint8Array(512)]);
    return new NpmStandIn([changed ? { ...own, bytes } : own, ...needed]);
  }

  /** What the registry's address is. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** Stops serving. */
  async close(): Promise<void> {
    await this.#server.shutdown();
  }

  #answer(request: Request): Response {
    const path = decodeURIComponent(new URL(request.url).pathname).slice(1);
    const [name, file] = path.split("/-/");
    const found = this.#packages.filter(({ manifest }) =>
      manifest.name === name &&
      (file === undefined || file === `${manifest.version}.tgz`)
    );
    if (found.length === 0) return new Response("not found", { status: 404 });
    if (file !== undefined) return new Response(found[0].bytes);
    const versions = found.map(({ manifest, integrity }) => {
      const tarball = `${this.url}${name}/-/${manifest.version}.tgz`;
      return [manifest.version, { ...manifest, dist: { tarball, integrity } }];
    });
    return Response.json({
      name,
      "dist-tags": { latest: found[found.length - 1].manifest.version },
      versions: Object.fromEntries(versions),
    });
  }
}

/**
 * Writes a project that depends on the package, as `npx jsr add` does, and on
 * others.
 */
export async function writeProject(
  folder: string,
  registry: NpmStandIn,
  others: Readonly<Record<string, string>> = {},
): Promise<void> {
  const write = (name: string, text: string) =>
    Deno.writeTextFile(`${folder}/${name}`, text);
  await write(
    ".npmrc",
    `registry=${registry.url}\n@jsr:registry=${registry.url}\n`,
  );
  await write(
    "package.json",
    JSON.stringify({
      private: true,
      type: "module",
      dependencies: {
        ...others,
        [config.name]: `npm:${NPM_NAME}@^${config.version}`,
      },
    }),
  );
}

/** What `npm` and `bun` need to install from a stand-in, and nowhere else. */
export function installEnv(folder: string): Record<string, string> {
  return {
    BUN_INSTALL_CACHE_DIR: `${folder}/bun-cache`,
    npm_config_cache: `${folder}/npm-cache`,
    npm_config_userconfig: `${folder}/.npmrc`,
    npm_config_registry: "",
  };
}

/** The command that installs by npm. */
export const NPM_INSTALL: readonly string[] = [
  ...["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"],
  ...["--fetch-retries=0", "--no-update-notifier"],
];
