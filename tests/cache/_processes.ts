/**
 * Processes that ask for a key at the same time: the file that imports this is
 * the program, too.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "../_runtime.ts";

const ROLE = "MEMCACHE_CACHE_ROLE";

/** What a process is to do. */
export interface Orders {
  /** The name of its role. */
  readonly role: string;
  /** The server. */
  readonly address: string;
  /** The file to which loads are appended. */
  readonly log: string;
}

/** Plays a role if this process has one; `false` if it has none. */
export async function played(
  roles: Record<string, (orders: Orders) => Promise<unknown>>,
): Promise<boolean> {
  const text = process.env[ROLE];
  if (text === undefined) return false;
  const orders = JSON.parse(text) as Orders;
  const result = await roles[orders.role](orders);
  console.log(`result ${JSON.stringify(result)}`);
  process.exit(0);
}

/** Says that all is set up, and waits for the others. */
export async function ready(): Promise<void> {
  console.log("ready");
  await once(process.stdin, "data");
}

/** One of the processes. */
export class Fellow {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  #output = "";
  #hasEnded = false;
  #changed: () => void = () => {};

  /** Starts the file `url` with a role. */
  constructor(url: string, orders: Orders) {
    const own = runtime === "deno"
      ? ["run", "-A", "--no-check", "--quiet"]
      : [];
    this.#child = spawn(process.execPath, [...own, fileURLToPath(url)], {
      env: { ...process.env, [ROLE]: JSON.stringify(orders), NO_COLOR: "1" },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const collect = (bytes: Uint8Array): void => {
      this.#output += bytes;
      this.#changed();
    };
    this.#child.stdout?.on("data", collect);
    this.#child.stderr?.on("data", collect);
    this.#child.stdin?.on("error", () => {});
    this.#ended = once(this.#child, "close").then((how) => {
      this.#hasEnded = true;
      this.#changed();
      return how;
    });
  }

  /** Its id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits until it is ready, too. */
  async ready(): Promise<void> {
    while (!this.#output.includes("ready")) {
      if (this.#hasEnded) throw new Error(`It ended: ${this.#output}`);
      await new Promise<void>((resolve) => this.#changed = resolve);
    }
  }

  /** Lets it go. */
  go(): void {
    this.#child.stdin?.write("go\n");
  }

  /** Ends it on the spot. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  /** Ends it, and waits until it has. */
  async end(): Promise<void> {
    if (!this.#hasEnded) this.kill();
    await this.#ended;
  }

  /** What it came to, once it has ended; none if it was killed. */
  async result<T>(): Promise<T | undefined> {
    const [code, signal] = await this.#ended;
    if (signal === "SIGKILL") return undefined;
    const [, text] = /^result (.*)$/m.exec(this.#output) ?? [];
    if (code !== 0 || text === undefined) {
      throw new Error(`It ended with ${code}: ${this.#output}`);
    }
    return JSON.parse(text);
  }
}
