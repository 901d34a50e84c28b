/**
 * Drives the program in a pseudo-terminal, by `script` of util-linux, and reads
 * its screen.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { commandOf, environment } from "./_program.ts";

/** Milliseconds for the program to show what it is meant to. */
const PATIENCE = 30_000;

/** What a terminal of a size shows, of the sequences that we and readline use. */
export class Screen {
  readonly #columns: number;
  readonly #rows: number;
  #lines: string[][] = [[]];
  #row = 0;
  #column = 0;
  #rest = "";
  /** Whether the screen is the other one, as of programs that fill it. */
  isOther = false;
  /** The other screen as it was when it was left. */
  left: string | undefined = undefined;

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#rows = rows;
  }

  /** The lines, without blanks at their ends. */
  get text(): string {
    return this.#lines.map((line) =>
      Array.from(line, (char) => char ?? " ").join("").trimEnd()
    ).join("\n").trimEnd();
  }

  /** Takes what a program writes. */
  write(text: string): void {
    const all = this.#rest + text;
    this.#rest = "";
    for (let i = 0; i < all.length; i++) {
      if (all[i] !== "\x1b") {
        this.#put(all[i]);
        continue;
      }
      // deno-lint-ignore no-control-regex
      const found = /^\x1b(?:\[([0-9;?]*)([A-Za-z])|[=>78])/.exec(all.slice(i));
      if (found === null) {
        this.#rest = all.slice(i);
        return;
      }
      this.#control(found[1] ?? "", found[2] ?? "");
      i += found[0].length - 1;
    }
  }

  #put(char: string): void {
    if (char === "\r") this.#column = 0;
    else if (char === "\n") this.#down();
    else if (char === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (char >= " ") {
      if (this.#column === this.#columns) {
        this.#column = 0;
        this.#down();
      }
      this.#line[this.#column++] = char;
    }
  }

  get #line(): string[] {
    return this.#lines[this.#row] ??= [];
  }

  #down(): void {
    this.#row++;
    void this.#line;
    if (this.isOther && this.#row >= this.#rows) {
      this.#lines.shift();
      this.#row--;
    }
  }

  #control(numbers: string, letter: string): void {
    const [first = 0, second = 0] = numbers.split(";").map(Number);
    const times = Math.max(1, first);
    if (letter === "A") this.#row = Math.max(0, this.#row - times);
    else if (letter === "B") { for (let i = 0; i < times; i++) this.#down(); }
    else if (letter === "C") this.#column += times;
    else if (letter === "D") this.#column = Math.max(0, this.#column - times);
    else if (letter === "G") this.#column = times - 1;
    else if (letter === "H") {
      this.#row = times - 1;
      this.#column = Math.max(1, second) - 1;
    } else if (letter === "K") {
      if (first === 0) {
        this.#line.length = Math.min(this.#line.length, this.#column);
      } else if (first === 2) this.#line.length = 0;
    } else if (letter === "J") {
      this.#line.length = Math.min(this.#line.length, this.#column);
      this.#lines.length = this.#row + 1;
    } else if (numbers === "?1049") {
      if (letter === "l") this.left = this.text;
      this.isOther = letter === "h";
      this.#lines = [[]];
      this.#row = 0;
      this.#column = 0;
    }
  }
}

/** A program in a terminal. */
export class Pty {
  readonly #child: ChildProcess;
  readonly #screen: Screen;
  readonly #closed: Promise<number>;
  #heard: (() => void) | undefined = undefined;
  /** Everything that it wrote. */
  raw = "";

  /** Starts the program in a terminal of 80 columns and 24 rows. */
  constructor(args: readonly string[], env: Record<string, string> = {}) {
    const [command, all] = commandOf(args);
    const line = [command, ...all].map((word) =>
      `'${word.replaceAll("'", "'\\''")}'`
    ).join(" ");
    this.#screen = new Screen(80, 24);
    this.#child = spawn(
      "script",
      ["-qfec", `stty rows 24 cols 80; exec ${line}`, "/dev/null"],
      { env: { ...environment(env), TERM: "xterm" } },
    );
    const decoder = new TextDecoder();
    this.#child.stdout?.on("data", (chunk: Uint8Array) => {
      const text = decoder.decode(chunk, { stream: true });
      this.raw += text;
      this.#screen.write(text);
      this.#heard?.();
    });
    this.#child.stdin?.on("error", () => {});
    this.#closed = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code) => resolve(code ?? -1));
    });
  }

  /** What the terminal shows. */
  get screen(): string {
    return this.#screen.text;
  }

  /** What the program that fills the screen showed at its end. */
  get left(): string | undefined {
    return this.#screen.left;
  }

  /** Types text, as it is. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Waits until the screen shows something. */
  async shows(pattern: RegExp | string): Promise<void> {
    const begun = performance.now();
    const has = () =>
      typeof pattern === "string"
        ? this.screen.includes(pattern)
        : pattern.test(this.screen);
    while (!has()) {
      const left = PATIENCE - (performance.now() - begun);
      if (left <= 0) {
        throw new Error(`The screen does not show ${pattern}:\n${this.screen}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** Types a line at the prompt, and waits for the next prompt. */
  async enter(line: string): Promise<void> {
    const before = this.#prompts();
    this.type(`${line}\r`);
    const begun = performance.now();
    while (this.#prompts() <= before || !/> $/.test(this.#lastLine())) {
      const left = PATIENCE - (performance.now() - begun);
      if (left <= 0) {
        throw new Error(`No prompt after ${line}:\n${this.screen}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 1000));
        this.#heard = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** The exit code, once it has ended. */
  ended(): Promise<number> {
    return this.#closed;
  }

  /** Ends it, if it runs. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.pid !== undefined) {
      try {
        process.kill(this.#child.pid, "SIGTERM");
      } catch {
        // It has just ended.
      }
    }
    this.#child.stdin?.end();
    await this.#closed;
  }

  #prompts(): number {
    return this.screen.split("\n").filter((line) =>
      /^\S+( servers)?>/.test(line)
    )
      .length;
  }

  #lastLine(): string {
    return `${this.screen.split("\n").pop()} `;
  }
}
