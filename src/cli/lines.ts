/**
 * Lines that are typed, or piped in, one by one as they are asked for.
 *
 * @module
 */

import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import type { Terminal } from "./terminal.ts";

/** What the line editor is told. */
export interface LinesOptions {
  readonly history: readonly string[];
  /** What may come next, and what of the line it replaces. */
  readonly complete: (line: string) => [string[], string];
  /** Ctrl-C while nothing is asked for. */
  readonly interrupt: () => void;
}

/** The one reader of standard input. */
export class Lines {
  readonly #interface: Interface;
  readonly #isTerminal: boolean;
  readonly #queue: string[] = [];
  #waiting: ((line: string | undefined) => void) | undefined = undefined;
  #isClosed = false;
  #drop = false;

  constructor(terminal: Terminal, options: LinesOptions) {
    this.#isTerminal = terminal.isInput && terminal.isOutput;
    this.#interface = createInterface({
      input: process.stdin,
      ...(this.#isTerminal ? { output: process.stdout } : {}),
      terminal: this.#isTerminal,
      history: [...options.history],
      historySize: 1000,
      removeHistoryDuplicates: true,
      completer: options.complete,
    });
    this.#interface.on("line", (line) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting === undefined) this.#queue.push(line);
      else waiting(line);
    });
    this.#interface.on("close", () => {
      this.#isClosed = true;
      this.#waiting?.(undefined);
      this.#waiting = undefined;
    });
    this.#interface.on("SIGINT", () => {
      if (this.#waiting === undefined) return options.interrupt();
      // As shells do: a new line, and nothing of the old one.
      process.stdout.write("^C\n");
      this.#drop = true;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      this.#interface.write(null, { ctrl: true, name: "e" });
      this.#interface.write(null, { ctrl: true, name: "u" });
      waiting("");
    });
  }

  /** Whether the line before was given up by Ctrl-C. */
  get wasDropped(): boolean {
    const was = this.#drop;
    this.#drop = false;
    return was;
  }

  /** Asks for a line; `undefined` at the end of the input. */
  ask(prompt: string): Promise<string | undefined> {
    const line = this.#queue.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#isClosed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#waiting = resolve;
      if (!this.#isTerminal) return;
      this.#interface.setPrompt(prompt);
      this.#interface.prompt();
    });
  }

  /** Lets go of standard input. */
  close(): void {
    this.#interface.close();
    process.stdin.pause();
  }
}
