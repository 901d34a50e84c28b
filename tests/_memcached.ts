/**
 * A real memcached for a test, on a port of its own.
 *
 * A test that needs one says so with {@linkcode needsMemcached}:
 *
 * ```ts ignore
 * test("get() finds what set() stored", async () => {
 *   await withMemcached({ transport: "tls" }, async ({ server, options }) => {
 *     const client = new Client(server, options);
 *   });
 * }, needsMemcached);
 * ```
 *
 * Where memcached is missing these tests are skipped with a warning, but fail
 * when the environment has `CI=true`.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import {
  CA,
  CLIENT_CERT,
  CLIENT_KEY,
  SERVER_CERT,
  SERVER_KEY,
} from "./_certs.ts";
import type { TestOptions } from "./_runtime.ts";

/**
 * How the server is reached: over TCP, a unix socket, TLS, TLS that asks for
 * a client certificate, or TCP with a user and a password.
 */
export type Transport = "tcp" | "unix" | "tls" | "mtls" | "auth";

/** Every {@linkcode Transport}. */
export const TRANSPORTS: readonly Transport[] = [
  "tcp",
  "unix",
  "tls",
  "mtls",
  "auth",
];

/** Options of {@linkcode startMemcached}. */
export interface MemcachedOptions {
  /**
   * How the server is reached.
   *
   * @default {"tcp"}
   */
  transport?: Transport;
  /** More arguments for memcached, such as `["-I", "2m"]`. */
  args?: readonly string[];
  /**
   * The certificate that a TLS server shows, PEM.
   *
   * @default {one for localhost}
   */
  cert?: string;
  /** The key of `cert`, PEM. */
  key?: string;
}

/** A running memcached. */
export interface Memcached {
  /** How it is reached. */
  readonly transport: Transport;
  /** Its address, for a client's first argument. */
  readonly server: string;
  /** What a client needs to be let in, to spread into its options. */
  readonly options: MemcachedClientOptions;
  /** Its port on 127.0.0.1, 0 for a unix socket. */
  readonly port: number;
  /** The path of its unix socket, empty for the others. */
  readonly path: string;
  /** The id of its process, another one after `restart()`. */
  readonly pid: number;
  /** Asks it to end and waits until it has, which takes up to a second. */
  stop(): Promise<void>;
  /** Ends it on the spot and waits until it has: what a test mostly wants. */
  kill(): Promise<void>;
  /** Freezes it: connections stay open and nothing is answered. */
  pause(): void;
  /** Lets a frozen server go on. */
  resume(): void;
  /** Starts it again at the same address, killing it before if it runs. */
  restart(): Promise<void>;
}

/** The options of a client that a server asks for. */
export interface MemcachedClientOptions {
  /** How TLS is set up. */
  tls?: { caCerts: string[]; cert?: string; key?: string };
  /** User and password. */
  auth?: { username: string; password: string };
}

const USERNAME = "tester";
const PASSWORD = "correct-horse";
// Below the range that systems take the ports of outgoing connections from: a
// client that reconnects to a stopped server can neither meet itself there nor
// keep the port from it.
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;
const START_TIMEOUT = 5000;
const STOP_TIMEOUT = 3000;

const program = find("memcached");

/** The options of a test that needs a real memcached. */
export const needsMemcached: TestOptions = {
  skip: program === undefined && process.env.CI !== "true",
};
if (needsMemcached.skip) {
  console.warn(
    "WARNING: memcached was not found, tests that need it are SKIPPED",
  );
}

/** Starts a memcached, hands it to `fn` and ends it when that has settled. */
export async function withMemcached<T>(
  options: MemcachedOptions,
  fn: (memcached: Memcached) => T | Promise<T>,
): Promise<T> {
  const memcached = await startMemcached(options);
  try {
    return await fn(memcached);
  } finally {
    await memcached.kill();
  }
}

/** Starts a memcached and resolves when it accepts connections. */
export async function startMemcached(
  options: MemcachedOptions = {},
): Promise<Memcached> {
  const memcached = new MemcachedProcess(options);
  await memcached.start();
  return memcached;
}

class MemcachedProcess implements Memcached {
  readonly transport: Transport;
  readonly path: string;
  readonly options: MemcachedClientOptions;
  readonly #args: readonly string[];
  readonly #cert: string;
  readonly #key: string;
  readonly #dir: string;
  #port = 0;
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: MemcachedOptions) {
    this.transport = options.transport ?? "tcp";
    this.#args = options.args ?? [];
    this.#cert = options.cert ?? SERVER_CERT;
    this.#key = options.key ?? SERVER_KEY;
    this.#dir = mkdtempSync(join(tmpdir(), "memcache-"));
    this.path = this.transport === "unix" ? join(this.#dir, "m.sock") : "";
    this.options = clientOptions(this.transport);
  }

  get server(): string {
    return this.path || `127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    if (program === undefined) {
      throw new Error("Cannot start memcached: not found in PATH");
    }
    if (this.path !== "" || this.#port !== 0) return await this.#spawn(program);
    for (let attempt = 1;; attempt++) {
      this.#port = FIRST_PORT +
        Math.floor(Math.random() * (LAST_PORT - FIRST_PORT + 1));
      try {
        return await this.#spawn(program);
      } catch (error) {
        if (attempt === 10 || !/Address already in use/.test(String(error))) {
          throw error;
        }
      }
    }
  }

  async stop(): Promise<void> {
    this.resume();
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), STOP_TIMEOUT);
    await this.#end();
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.#signal("SIGKILL");
    await this.#end();
  }

  pause(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  #signal(signal: NodeJS.Signals): void {
    // In Deno a child's own kill() works only once.
    if (this.#child?.pid !== undefined) process.kill(this.#child.pid, signal);
  }

  async #end(): Promise<void> {
    this.#child?.ref();
    // Once the child is gone nothing of it keeps this process alive: what its
    // streams still have to tell would not be waited for.
    const alive = setInterval(() => {}, 1000);
    await this.#ended;
    clearInterval(alive);
  }

  async #spawn(program: string): Promise<void> {
    const file = (name: string) => join(this.#dir, name);
    mkdirSync(this.#dir, { recursive: true });
    // memcached gives up root's rights before it opens these.
    chmodSync(this.#dir, 0o777);
    const args = ["-m", "64", "-t", "1", "-U", "0"];
    if (process.getuid?.() === 0) args.push("-u", "nobody");
    if (this.path !== "") args.push("-s", this.path, "-a", "0777");
    else args.push("-l", "127.0.0.1", "-p", String(this.#port));
    if (this.transport === "auth") {
      writeFileSync(file("users"), `${USERNAME}:${PASSWORD}\n`, {
        mode: 0o644,
      });
      args.push("-Y", file("users"));
    }
    if (this.options.tls !== undefined) {
      writeFileSync(file("cert"), this.#cert, { mode: 0o644 });
      writeFileSync(file("key"), this.#key, { mode: 0o644 });
      writeFileSync(file("ca"), CA, { mode: 0o644 });
      const verify = this.transport === "mtls" ? 2 : 0;
      args.push("-Z", "-o", `ssl_chain_cert=${file("cert")}`);
      args.push("-o", `ssl_key=${file("key")},ssl_ca_cert=${file("ca")}`);
      args.push("-o", `ssl_verify_mode=${verify}`);
    }
    const child = spawn(program, [...args, ...this.#args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, MEMCACHED_PORT_FILENAME: file("port") },
    });
    let output = "";
    child.stderr?.setEncoding("utf8").on("data", (text) => output += text);
    const guard = child.pid === undefined
      ? undefined
      : watch(child.pid, this.#dir);
    let running = true;
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("error", resolve);
      child.once("close", resolve);
    }).then(async () => {
      running = false;
      this.#child = undefined;
      if (guard !== undefined) await release(guard);
      rmSync(this.#dir, { recursive: true, force: true });
    });
    unref(child);
    unref(child.stderr);
    // The port's file comes from this very process, after it has bound: a
    // connection alone could be answered by somebody else's server.
    const ready = () =>
      this.path ? answers(this.path) : existsSync(file("port"));
    const deadline = Date.now() + START_TIMEOUT;
    while (running && !await ready()) {
      if (Date.now() > deadline) await this.kill();
      else await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (!running) {
      await this.#ended;
      throw new Error(
        `Cannot start memcached: ${output.trim() || "no answer"}`,
      );
    }
  }
}

function clientOptions(transport: Transport): MemcachedClientOptions {
  switch (transport) {
    case "tls":
      return { tls: { caCerts: [CA] } };
    case "mtls":
      return { tls: { caCerts: [CA], cert: CLIENT_CERT, key: CLIENT_KEY } };
    case "auth":
      return { auth: { username: USERNAME, password: PASSWORD } };
    default:
      return {};
  }
}

/**
 * Starts a shell that waits for the end of this process, whatever ends it, to
 * end memcached too and to remove its files. A line on its input lets it off.
 */
function watch(pid: number, dir: string): ChildProcess {
  const script = 'read -r _ || { kill -9 "$1"; rm -rf "$2"; }';
  const guard = spawn("/bin/sh", ["-c", script, "sh", String(pid), dir], {
    // A session of its own: a Ctrl-C must not end it before it has done its work.
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  unref(guard);
  unref(guard.stdin);
  return guard;
}

async function release(guard: ChildProcess): Promise<void> {
  guard.ref();
  const ended = new Promise((resolve) => guard.once("exit", resolve));
  guard.stdin?.end("done\n");
  await ended;
}

// Bun's streams of a child have no unref(), its test runner ends without it.
function unref(handle: object | null): void {
  (handle as { unref?(): void } | null)?.unref?.();
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function find(name: string): string | undefined {
  return (process.env.PATH ?? "").split(delimiter)
    .map((dir) => join(dir, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
