/**
 * Runs the command line program in this process, on streams of the test's own.
 *
 * @module
 */
import { runProgram } from "../../src/cli/program.ts";
import type { Terminal } from "../../src/cli/terminal.ts";

/** What a run came to. */
export interface Result {
  readonly code: number;
  readonly out: string;
  readonly bytes: Uint8Array;
  readonly error: string;
}

/** How it is run. */
export interface RunOptions {
  /** What it reads. */
  readonly input?: string | Uint8Array;
  /** Its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether someone looks at what it prints. */
  readonly isTerminal?: boolean;
  /** Is given what interrupts it. */
  readonly onStart?: (interrupt: () => void) => void;
  /** Is told of everything that it prints, as it does. */
  readonly onWrite?: (text: string) => void;
}

/** Streams that are kept. */
class Kept implements Terminal {
  readonly isInput = false;
  readonly isOutput: boolean;
  readonly isError = false;
  readonly columns = 80;
  readonly rows = 24;
  readonly chunks: Uint8Array[] = [];
  readonly #options: RunOptions;
  error = "";

  constructor(options: RunOptions) {
    this.#options = options;
    this.isOutput = options.isTerminal ?? false;
  }

  env(name: string): string | undefined {
    return this.#options.env?.[name];
  }

  write(data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === "string"
      ? new TextEncoder().encode(data)
      : data.slice();
    this.chunks.push(bytes);
    this.#options.onWrite?.(new TextDecoder().decode(bytes));
    return Promise.resolve();
  }

  print(line: string): Promise<void> {
    return this.write(`${line}\n`);
  }

  warn(line: string): void {
    this.error += `${line}\n`;
  }

  readAll(): Promise<Uint8Array> {
    const { input = "" } = this.#options;
    return Promise.resolve(
      typeof input === "string" ? new TextEncoder().encode(input) : input,
    );
  }

  onInterrupt(interrupt: () => void): () => void {
    this.#options.onStart?.(interrupt);
    return () => {};
  }

  onKey(): () => void {
    return () => {};
  }

  close(): void {}
}

/** Runs the program to its end. */
export async function run(
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  const terminal = new Kept(options);
  const code = await runProgram(args, terminal);
  const bytes = new Uint8Array(
    await new Blob(terminal.chunks as BlobPart[]).arrayBuffer(),
  );
  const out = new TextDecoder().decode(bytes);
  return { code, bytes, out, error: terminal.error };
}
