/**
 * The lines of earlier prompts, in a file of the user's.
 *
 * @module
 */

import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Terminal } from "./terminal.ts";

const MAX_LINES = 1000;

/** Where the file is: as the XDG Base Directory Specification says. */
function pathFor(terminal: Terminal): string {
  let state = terminal.env("XDG_STATE_HOME");
  try {
    state ??= join(homedir(), ".local", "state");
  } catch {
    // Deno without --allow-sys: what is no path is not written.
    return "";
  }
  return join(state, "memcache", "history");
}

/** The history; where its file cannot be used it is that of this prompt. */
export class History {
  readonly #path: string;
  readonly #lines: string[] = [];
  #writes: Promise<void> = Promise.resolve();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Reads the file below `XDG_STATE_HOME`, and keeps it short. */
  static async open(terminal: Terminal): Promise<History> {
    const history = new History(pathFor(terminal));
    try {
      const lines = (await readFile(history.#path, "utf8")).split("\n")
        .filter((line) => line !== "");
      history.#lines.push(...lines.slice(-MAX_LINES));
      if (lines.length > 2 * MAX_LINES) {
        await writeFile(history.#path, `${history.#lines.join("\n")}\n`);
      }
    } catch {
      // There is none yet, or it is not ours to read.
    }
    return history;
  }

  /** The lines, the latest first. */
  get latestFirst(): string[] {
    return [...this.#lines].reverse();
  }

  /** Keeps a line, unless it repeats the one before or begins with a blank. */
  add(line: string): void {
    if (line === this.#lines.at(-1) || /^\s|^$|\n/.test(line)) return;
    this.#lines.push(line);
    this.#writes = this.#writes.then(async () => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await appendFile(this.#path, `${line}\n`, { mode: 0o600 });
    }).catch(() => {
      // A prompt without a history is still one.
    });
  }

  /** Waits until everything is written. */
  async close(): Promise<void> {
    await this.#writes;
  }
}
