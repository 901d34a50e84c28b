/**
 * `memcache restore`: the items of a file into servers.
 *
 * @module
 */

import { createReadStream } from "node:fs";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import process from "node:process";
import { MemcacheError, MemcacheUnknownCommandError } from "../../mod.ts";
import { DumpReader, type Placed } from "./dump_file.ts";
import {
  FAILURE,
  Interrupted,
  messagesOf,
  OK,
  ServerFailure,
  UsageError,
} from "./failure.ts";
import { mayPass, patiently } from "./patience.ts";
import { Progress } from "./progress.ts";
import { isSameLife, type Life, lifeOf } from "./restarts.ts";
import type { Session } from "./session.ts";
import { shownKey, timeText } from "./text.ts";

/** Items that are stored in one go, and their bytes. */
const BATCH_ITEMS = 200;
const BATCH_BYTES = 4 * 1024 * 1024;

/** Refused items that are told one by one. */
const MAX_TOLD = 10;

/** Its options. */
export interface RestoreFlags {
  readonly add?: boolean;
  readonly restartTtl?: boolean;
  readonly resume?: boolean;
  readonly wait: number;
}

/** How far a file has been restored. */
interface Mark {
  readonly offset: number;
  readonly size: number;
}

/** Stores all items. */
export async function restore(
  session: Session,
  file: string | undefined,
  flags: RestoreFlags,
): Promise<number> {
  session.endsByItself = true;
  const work = new Restore(session, file === "-" ? undefined : file, flags);
  try {
    return await work.run();
  } catch (error) {
    if (work.mark !== undefined) {
      session.terminal.warn(
        `memcache: ${work.stored} items were stored; ` +
          `memcache restore --resume ${file} goes on`,
      );
    }
    if (session.interrupt.signal.aborted) throw new Interrupted("Interrupted");
    throw error;
  }
}

class Restore {
  readonly #session: Session;
  readonly #path: string | undefined;
  readonly #flags: RestoreFlags;
  readonly #begun = performance.now();
  #isClassic = false;
  #refused = 0;
  #expired = 0;
  #kept = 0;
  /** How many were stored. */
  stored = 0;
  /** Where to go on. */
  mark: Mark | undefined = undefined;

  constructor(
    session: Session,
    path: string | undefined,
    flags: RestoreFlags,
  ) {
    this.#session = session;
    this.#path = path;
    this.#flags = flags;
  }

  async run(): Promise<number> {
    const { terminal } = this.#session;
    const { resume = false } = this.#flags;
    const path = this.#path;
    if (path === undefined && resume) {
      throw new UsageError("Cannot use --resume without a file");
    }
    if (path === undefined && terminal.isInput) {
      throw new UsageError("Cannot restore from a terminal: name a file");
    }
    const size = path === undefined ? 0 : (await stat(path)).size;
    const start = path !== undefined && resume ? await readMark(path, size) : 0;
    const lives = await this.#patiently(() => this.#lives());
    const reader = path === undefined
      ? new DumpReader(process.stdin)
      : new DumpReader(
        createReadStream(path, { start, highWaterMark: 1024 * 1024 }),
        start,
      );
    const progress = new Progress(terminal, "restore", size, start);
    try {
      if (start === 0) await reader.begin();
      let done = 0;
      for (let batch; (batch = await readBatch(reader)).length > 0;) {
        done += await this.#patiently(this.#storing(batch));
        const { end } = batch[batch.length - 1];
        progress.update(end, done);
        if (path === undefined) continue;
        this.mark = { offset: end, size };
        await writeFile(markOf(path), JSON.stringify(this.mark));
      }
      // The last line of the file is behind us, too.
      progress.update(size, done);
    } finally {
      progress.stop();
      await reader.close();
    }
    if (path !== undefined) await rm(markOf(path), { force: true });
    this.mark = undefined;
    terminal.warn(this.#summary());
    if (reader.items === undefined) {
      terminal.warn(
        "memcache: the file is one of a dump that was not finished",
      );
    }
    const now = await this.#patiently(() => this.#lives());
    const restarted = this.#session.addresses
      .filter((_, i) => !isSameLife(lives[i], now[i]))
      .map(({ name }) => name);
    if (restarted.length > 0) {
      throw new ServerFailure(
        `${
          restarted.join(" and ")
        } was restarted meanwhile: what was stored before is gone, restore again, with --add if other items are to stay`,
      );
    }
    return this.#refused > 0 ? FAILURE : OK;
  }

  #lives(): Promise<Life[]> {
    return Promise.all(this.#session.clients.map(lifeOf));
  }

  #patiently<T>(work: () => Promise<T>): Promise<T> {
    return patiently(this.#session, this.#flags.wait, work);
  }

  #summary(): string {
    const facts = [
      `${this.stored} items`,
      timeText((performance.now() - this.#begun) / 1000),
    ];
    if (this.#expired > 0) facts.push(`${this.#expired} had expired`);
    if (this.#kept > 0) facts.push(`${this.#kept} were there already`);
    if (this.#refused > 0) facts.push(`${this.#refused} were refused`);
    return `memcache: restored ${facts.join(", ")}`;
  }

  /**
   * What stores a batch, and may be called again: then it stores what it has
   * not stored yet. Tells how many items it was about.
   */
  #storing(batch: readonly Placed[]): () => Promise<number> {
    let open = [...batch];
    return async () => {
      const failures: unknown[] = [];
      const again: Placed[] = [];
      await Promise.all(
        open.map((item) =>
          this.#store(item).catch((error: unknown) => {
            if (error instanceof MemcacheError && !mayPass(error)) {
              this.#refuse(item, error);
            } else {
              failures.push(error);
              again.push(item);
            }
          })
        ),
      );
      open = again;
      if (failures.length > 0) throw failures[0];
      return batch.length;
    };
  }

  #refuse(item: Placed, error: unknown): void {
    if (++this.#refused > MAX_TOLD) return;
    this.#session.terminal.warn(
      `memcache: ${shownKey(item.key)}: ${messagesOf(error)[0]}`,
    );
  }

  async #store(item: Placed): Promise<void> {
    const ttl = this.#ttlOf(item);
    if (ttl === undefined) {
      this.#expired++;
      return;
    }
    if (await this.#put(item, ttl)) this.stored++;
    else this.#kept++;
  }

  async #put(item: Placed, ttl: number): Promise<boolean> {
    const { key, value, flags } = item;
    const { client } = this.#session;
    const mode = this.#flags.add ? "add" : "set";
    if (this.#isClassic && typeof key === "string") {
      return await client[mode](key, value, { ttl, flags });
    }
    try {
      const { status } = await client.meta.set(key, value, {
        ttl,
        flags,
        mode,
      });
      return status === "stored";
    } catch (error) {
      const isUnknown = error instanceof MemcacheUnknownCommandError;
      if (!isUnknown || typeof key !== "string") throw error;
      this.#isClassic = true;
      return await client[mode](key, value, { ttl, flags });
    }
  }

  /** The lifetime to store with: 0 for ever; `undefined` if it is over. */
  #ttlOf({ ttl, time }: Placed): number | undefined {
    if (ttl < 0) return 0;
    if (this.#flags.restartTtl) return Math.max(1, ttl);
    const left = ttl - Math.max(0, Math.floor(Date.now() / 1000) - time);
    return left > 0 ? left : undefined;
  }
}

async function readBatch(reader: DumpReader): Promise<Placed[]> {
  const batch: Placed[] = [];
  let bytes = 0;
  while (batch.length < BATCH_ITEMS && bytes < BATCH_BYTES) {
    const item = await reader.next();
    if (item === undefined) break;
    batch.push(item);
    bytes += item.value.length;
  }
  return batch;
}

function markOf(path: string): string {
  return `${path}.progress`;
}

/** Where to go on with a file; 0 where that is not known. */
async function readMark(path: string, size: number): Promise<number> {
  try {
    const mark: unknown = JSON.parse(await readFile(markOf(path), "utf8"));
    const { offset, size: then } = mark as Partial<Mark>;
    if (then === size && Number.isSafeInteger(offset) && offset! <= size) {
      return offset!;
    }
  } catch {
    // There is none, or it is no mark.
  }
  return 0;
}
