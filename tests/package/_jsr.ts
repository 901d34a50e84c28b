/**
 * A stand-in for JSR on loopback: takes what `deno publish` sends, and serves
 * it with the checksums that JSR makes.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { deno, succeed } from "./_programs.ts";

/** How JSR names the kinds of files that a package may have. */
const TYPES: Readonly<Record<string, string>> = {
  json: "application/json",
  md: "text/markdown",
  ts: "application/typescript",
};

/** A registry with one package, as `deno publish` sends it from the checkout. */
export class JsrStandIn {
  /** The files of the package, by their paths; a test may change them. */
  readonly files: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #manifest: Record<string, { size: number; checksum: string }> = {};
  #published = "";

  private constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  /** Starts a registry, and publishes the checkout to it. */
  static async publish(): Promise<JsrStandIn> {
    const registry = new JsrStandIn();
    try {
      await succeed(
        deno(
          ...["publish", "--token=stand-in", "--allow-dirty", "--no-check"],
          "--no-provenance",
        ),
        { env: { JSR_URL: registry.url } },
      );
      assertEquals(registry.#published, config.version);
    } catch (error) {
      await registry.close();
      throw error;
    }
    return registry;
  }

  /** What `JSR_URL` has to be. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  /** Stops serving. */
  async close(): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const absent = new Response("not found", { status: 404 });
    const [scope, base] = config.name.slice(1).split("/");
    const api = `/api/scopes/${scope}/packages/${base}`;
    if (pathname === api) return Response.json({ scope, name: base });
    if (pathname.startsWith(`${api}/versions/`)) {
      if (request.method !== "POST") return absent;
      await this.#take(request);
      this.#published = pathname.slice(`${api}/versions/`.length);
      return Response.json({ id: crypto.randomUUID(), status: "success" });
    }
    if (!pathname.startsWith(`/${config.name}/`)) return absent;
    const path = pathname.slice(config.name.length + 2);
    const version = this.#published;
    if (path === "meta.json") {
      const versions = { [version]: {} };
      return Response.json({ scope, name: base, latest: version, versions });
    }
    if (path === `${version}_meta.json`) {
      const { exports } = config;
      return Response.json({ manifest: this.#manifest, exports });
    }
    const file = this.files.get(path.slice(version.length));
    if (file === undefined || !path.startsWith(`${version}/`)) return absent;
    const type = TYPES[path.slice(path.lastIndexOf(".") + 1)] ?? "text/plain";
    return new Response(file, { headers: { "content-type": type } });
  }

  /** Unpacks what was sent, and notes the checksum of each file. */
  async #take(request: Request): Promise<void> {
    const folder = await Deno.makeTempDir();
    try {
      const tarball = `${folder}/package.tar.gz`;
      await Deno.writeFile(tarball, await request.bytes());
      await Deno.mkdir(`${folder}/files`);
      await succeed(["tar", "-xzf", tarball, "-C", `${folder}/files`]);
      await this.#read(`${folder}/files`, "");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }

  async #read(root: string, path: string): Promise<void> {
    for await (const { name, isDirectory } of Deno.readDir(root + path)) {
      const below = `${path}/${name}`;
      if (isDirectory) {
        await this.#read(root, below);
        continue;
      }
      const bytes = await Deno.readFile(root + below);
      const digest = await crypto.subtle.digest("SHA-256", bytes);
      this.files.set(below, bytes);
      this.#manifest[below] = {
        size: bytes.length,
        checksum: `sha256-${new Uint8Array(digest).toHex()}`,
      };
    }
  }
}
