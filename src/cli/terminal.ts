/**
 * The standard streams and the environment, as the program sees them.
 *
 * @module
 */

import process from "node:process";
import { joined } from "./text.ts";

/** The reader of our output has gone: there is nothing left to do. */
export class ClosedPipe extends Error {}

/** What was read or is to be read, as it comes. */
type Chunk = Uint8Array | string;

/** What the program reads from and writes to. */
export interface Terminal {
  /** Whether someone may be typing. */
  readonly isInput: boolean;
  /** Whether someone may be looking at the output. */
  readonly isOutput: boolean;
  /** Whether someone may be looking at the messages. */
  readonly isError: boolean;
  /** Width, in characters. */
  readonly columns: number;
  /** Height, in lines. */
  readonly rows: number;
  /** A variable of the environment, if it is set and may be read. */
  env(name: string): string | undefined;
  /**
   * Writes to the output and waits until it is taken.
   *
   * @throws {ClosedPipe} If nobody reads it any more.
   */
  write(data: Uint8Array | string): Promise<void>;
  /** Writes a line to the output. */
  print(line: string): Promise<void>;
  /** Writes a line beside the output. */
  warn(line: string): void;
  /** Reads the input to its end. */
  readAll(): Promise<Uint8Array>;
  /** Calls back on Ctrl-C; what it returns ends that. */
  onInterrupt(interrupt: () => void): () => void;
  /** Calls back on every key, which is not shown; what it returns ends that. */
  onKey(press: (key: string) => void): () => void;
  /** Lets go of everything. */
  close(): void;
}

/** Standard input, output and error of this process. */
export class ProcessTerminal implements Terminal {
  /** Whether someone may be typing. */
  readonly isInput: boolean = process.stdin.isTTY === true;
  /** Whether someone may be looking at the output. */
  readonly isOutput: boolean = process.stdout.isTTY === true;
  /** Whether someone may be looking at the messages. */
  readonly isError: boolean = process.stderr.isTTY === true;
  #closed = false;
  #isReading = false;
  readonly #lost = (): void => {
    this.#closed = true;
  };

  /** Listens for the end of the output. */
  constructor() {
    process.stdout.on("error", this.#lost);
    process.stderr.on("error", this.#lost);
  }

  /** Width of the terminal, in characters. */
  get columns(): number {
    return process.stdout.columns || 80;
  }

  /** Height of the terminal, in lines. */
  get rows(): number {
    return process.stdout.rows || 24;
  }

  /** A variable of the environment, if it is set and may be read. */
  env(name: string): string | undefined {
    try {
      return process.env[name] || undefined;
    } catch {
      // Deno without --allow-env.
      return undefined;
    }
  }

  /**
   * Writes to standard output and waits until it is taken.
   *
   * @throws {ClosedPipe} If nobody reads it any more.
   */
  async write(data: Chunk): Promise<void> {
    if (this.#closed) throw new ClosedPipe();
    if (data.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(data, (error?: Error | null) => {
        if (error === undefined || error === null) resolve();
        else reject(new ClosedPipe());
      });
    });
  }

  /** Writes a line to standard output. */
  print(line: string): Promise<void> {
    return this.write(`${line}\n`);
  }

  /** Writes a line to standard error. */
  warn(line: string): void {
    if (!this.#closed) process.stderr.write(`${line}\n`);
  }

  /** Reads standard input to its end. */
  async readAll(): Promise<Uint8Array> {
    this.#isReading = true;
    const chunks: Uint8Array[] = [];
    for await (const chunk of process.stdin as AsyncIterable<Chunk>) {
      chunks.push(
        typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk,
      );
    }
    return joined(chunks);
  }

  /** Calls back on Ctrl-C and on a polite request to end. */
  onInterrupt(interrupt: () => void): () => void {
    process.on("SIGINT", interrupt);
    process.on("SIGTERM", interrupt);
    return () => {
      process.off("SIGINT", interrupt);
      process.off("SIGTERM", interrupt);
    };
  }

  /** Calls back on every key. */
  onKey(press: (key: string) => void): () => void {
    const { stdin } = process;
    if (!this.isInput) return () => {};
    const listen = (chunk: Chunk): void => {
      const text = typeof chunk === "string"
        ? chunk
        : new TextDecoder().decode(chunk);
      // A sequence, such as that of an arrow, is one key.
      for (const key of text.startsWith("\x1b") ? [text] : text) press(key);
    };
    stdin.setRawMode(true);
    stdin.on("data", listen);
    stdin.resume();
    return () => {
      stdin.off("data", listen);
      stdin.setRawMode(false);
      stdin.pause();
    };
  }

  /** Lets go of the streams: an input that is still open keeps no process. */
  close(): void {
    if (this.#isReading) process.stdin.destroy();
    process.stdout.off("error", this.#lost);
    process.stderr.off("error", this.#lost);
  }
}
