/**
 * `memcache dump`: all items into a file.
 *
 * @module
 */

import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import {
  type Client,
  type KeyEntry,
  MemcacheUnknownCommandError,
} from "../../mod.ts";
import {
  DumpReader,
  encodeEnd,
  encodeItem,
  encodeKey,
  HEAD,
  type Kept,
} from "./dump_file.ts";
import { Interrupted, OK, ServerFailure, UsageError } from "./failure.ts";
import { patiently } from "./patience.ts";
import { Progress } from "./progress.ts";
import { isSameLife, type Life, lifeOf } from "./restarts.ts";
import type { Session } from "./session.ts";
import { bytesText, joined, timeText } from "./text.ts";

/** Items that are asked for in one go, and their bytes. */
const BATCH_ITEMS = 200;
const BATCH_BYTES = 4 * 1024 * 1024;

/** Its options. */
export interface DumpFlags {
  readonly prefix: string;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly wait: number;
}

/** A key that is to be read. */
type Wanted = Pick<KeyEntry, "key" | "size" | "ttl">;

/** Writes all items. */
export async function dump(
  session: Session,
  file: string | undefined,
  flags: DumpFlags,
): Promise<number> {
  session.endsByItself = true;
  const target = await Target.open(session, file, flags);
  const work = new Dump(session, target, flags);
  try {
    await work.run();
  } catch (error) {
    if (!target.isFile) throw error;
    session.terminal.warn(
      `memcache: ${target.items} items are in ${file}; ` +
        `memcache dump --resume ${file} goes on`,
    );
    if (session.interrupt.signal.aborted) throw new Interrupted("Interrupted");
    throw error;
  } finally {
    await target.close();
  }
  return OK;
}

class Dump {
  readonly #session: Session;
  readonly #target: Target;
  readonly #flags: DumpFlags;
  readonly #begun = performance.now();
  #isClassic = false;
  #gone = 0;
  #bytes = 0;

  constructor(session: Session, target: Target, flags: DumpFlags) {
    this.#session = session;
    this.#target = target;
    this.#flags = flags;
  }

  async run(): Promise<void> {
    const { terminal, clients, addresses } = this.#session;
    const lives: Life[] = [];
    const wanted: Wanted[][] = [];
    for (const client of clients) {
      lives.push(await this.#patiently(() => lifeOf(client)));
      wanted.push(await this.#patiently(() => this.#list(client)));
    }
    const total = wanted.reduce((sum, { length }) => sum + length, 0);
    const before = this.#target.items;
    const progress = new Progress(terminal, "dump", total);
    let read = 0;
    try {
      for (const [i, client] of clients.entries()) {
        for (const batch of batches(wanted[i])) {
          const items = await this.#patiently(() => this.#read(client, batch));
          const kept = items.filter((item) => item !== undefined);
          this.#gone += items.length - kept.length;
          for (const { value } of kept) this.#bytes += value.length;
          await this.#target.write(kept);
          read += batch.length;
          progress.update(read, this.#target.items - before);
        }
      }
    } finally {
      progress.stop();
    }
    for (const [i, client] of clients.entries()) {
      const life = await this.#patiently(() => lifeOf(client));
      if (isSameLife(life, lives[i])) continue;
      throw new ServerFailure(
        `Cannot finish the dump: ${
          addresses[i].name
        } was restarted meanwhile, items that were not read yet are gone`,
      );
    }
    await this.#target.finish();
    terminal.warn(this.#summary(before));
  }

  #summary(before: number): string {
    const { items } = this.#target;
    const seconds = (performance.now() - this.#begun) / 1000;
    const facts = [
      `${items} items`,
      `${bytesText(this.#bytes)} of values`,
      timeText(seconds),
    ];
    if (before > 0) facts.push(`${before} of them from before`);
    if (this.#gone > 0) {
      facts.push(`${this.#gone} were gone when they were read`);
    }
    return `memcache: dumped ${facts.join(", ")}`;
  }

  #patiently<T>(work: () => Promise<T>): Promise<T> {
    return patiently(this.#session, this.#flags.wait, work);
  }

  /** Lists the keys of a server at once: it waits for no reader then. */
  async #list(client: Client): Promise<Wanted[]> {
    const { signal } = this.#session.interrupt;
    const found: Wanted[] = [];
    const { prefix } = this.#flags;
    for await (const { key, size, ttl } of client.keys({ prefix, signal })) {
      if (!this.#target.has(key)) found.push({ key, size, ttl });
    }
    return found;
  }

  #read(
    client: Client,
    batch: readonly Wanted[],
  ): Promise<(Kept | undefined)[]> {
    return Promise.all(batch.map((wanted) => this.#readOne(client, wanted)));
  }

  async #readOne(
    client: Client,
    wanted: Wanted,
  ): Promise<Kept | undefined> {
    const { key } = wanted;
    if (this.#isClassic) return await this.#readClassic(client, wanted);
    try {
      const { status, value, flags = 0, ttl = -1 } = await client.meta.get<
        Uint8Array
      >(key, { returnFlags: true, returnTtl: true, noBump: true });
      if (status === "miss" || value === undefined) return undefined;
      return { key, value, flags, ttl, time: now() };
    } catch (error) {
      if (!(error instanceof MemcacheUnknownCommandError)) throw error;
      this.#isClassic = true;
      return await this.#readClassic(client, wanted);
    }
  }

  /** Of a server without meta commands: the ttl is what the listing said. */
  async #readClassic(
    client: Client,
    { key, ttl }: Wanted,
  ): Promise<Kept | undefined> {
    // What is no text cannot be asked for there.
    if (typeof key !== "string") return undefined;
    const item = await client.getItem<Uint8Array>(key);
    if (item === undefined) return undefined;
    const { value, flags } = item;
    return { key, value, flags, ttl, time: now() };
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function* batches(all: readonly Wanted[]): Generator<Wanted[]> {
  let batch: Wanted[] = [];
  let bytes = 0;
  for (const wanted of all) {
    batch.push(wanted);
    bytes += wanted.size;
    if (batch.length < BATCH_ITEMS && bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

/** Where the items go: a file, or standard output. */
class Target {
  readonly #session: Session;
  readonly #file: FileHandle | undefined;
  readonly #known: Set<string>;
  /** How many it holds. */
  items: number;

  private constructor(
    session: Session,
    file: FileHandle | undefined,
    known: Set<string>,
  ) {
    this.#session = session;
    this.#file = file;
    this.#known = known;
    this.items = known.size;
  }

  /**
   * Opens it.
   *
   * @throws {UsageError} If there is a file that is not to be replaced.
   */
  static async open(
    session: Session,
    path: string | undefined,
    { resume = false, force = false }: DumpFlags,
  ): Promise<Target> {
    const known = new Set<string>();
    if (path === undefined || path === "-") {
      if (resume) throw new UsageError("Cannot use --resume without a file");
      if (session.terminal.isOutput) {
        throw new UsageError("Cannot dump to a terminal: name a file");
      }
      await session.terminal.write(HEAD);
      return new Target(session, undefined, known);
    }
    if (resume) {
      const size = await readKnown(path, known);
      if (size !== undefined) {
        const file = await open(path, "r+");
        await file.truncate(size);
        // Writes go behind what is left.
        await file.close();
        return new Target(session, await open(path, "a", 0o600), known);
      }
    }
    let file: FileHandle;
    try {
      file = await open(path, force || resume ? "w" : "wx", 0o600);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EEXIST") throw error;
      throw new UsageError(
        `Cannot write ${path}: it exists, use --resume or --force`,
      );
    }
    await file.writeFile(HEAD);
    return new Target(session, file, known);
  }

  get isFile(): boolean {
    return this.#file !== undefined;
  }

  has(key: string | Uint8Array): boolean {
    return this.#known.size > 0 && this.#known.has(encodeKey(key));
  }

  /** Writes items, all at once: a write costs more than most items. */
  async write(items: readonly Kept[]): Promise<void> {
    await this.#put(joined(items.map(encodeItem)));
    this.items += items.length;
  }

  async finish(): Promise<void> {
    await this.#put(new TextEncoder().encode(encodeEnd(this.items)));
    await this.#file?.sync();
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  async #put(bytes: Uint8Array): Promise<void> {
    if (this.#file === undefined) await this.#session.terminal.write(bytes);
    else await this.#file.writeFile(bytes);
  }
}

/**
 * Reads what a file holds already.
 *
 * @returns The bytes of its whole items; `undefined` where there is no file.
 */
async function readKnown(
  path: string,
  known: Set<string>,
): Promise<number | undefined> {
  let reader: DumpReader | undefined;
  try {
    reader = new DumpReader(createReadStream(path));
    await reader.begin();
    let end = HEAD.length;
    for (let item; (item = await reader.next()) !== undefined;) {
      known.add(encodeKey(item.key));
      end = item.end;
    }
    return end;
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return undefined;
    throw error;
  } finally {
    await reader?.close();
  }
}
