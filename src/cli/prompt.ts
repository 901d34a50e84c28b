/**
 * The prompt: commands one after another, over connections that last.
 *
 * @module
 */

import type { Command } from "commander";
import { CommanderError } from "commander";
import pc from "picocolors";
import type { Run } from "./arguments.ts";
import {
  exitCodeOf,
  FAILURE,
  INTERRUPTED,
  MISS,
  OK,
  USAGE,
} from "./failure.ts";
import { History } from "./history.ts";
import { Lines } from "./lines.ts";
import { complain } from "./output.ts";
import { Restarts } from "./restarts.ts";
import { type GlobalOptions, Session } from "./session.ts";
import type { Terminal } from "./terminal.ts";
import { splitWords } from "./words.ts";

/** Makes what understands one line. */
export type MakeProgram = (run: Run, write: (text: string) => void) => Command;

const LEAVE: readonly string[] = ["exit", "quit"];
const WELCOME =
  "help lists the commands, help COMMAND explains one; Tab completes; Ctrl-D leaves";
const MORE = "... ";

/** Reads and runs commands until there are no more; tells the last exit code. */
export async function runPrompt(
  terminal: Terminal,
  options: GlobalOptions,
  makeProgram: MakeProgram,
): Promise<number> {
  const session = await Session.open(terminal, options);
  const history = await History.open(terminal);
  const prompt = new Prompt(session, history, makeProgram, options);
  try {
    return await prompt.run();
  } finally {
    prompt.close();
    await history.close();
    await session.close();
  }
}

class Prompt {
  readonly #session: Session;
  readonly #history: History;
  readonly #makeProgram: MakeProgram;
  readonly #isJson: boolean;
  readonly #isTerminal: boolean;
  readonly #commands: Map<string, readonly string[]> = new Map();
  readonly #keys: Set<string> = new Set();
  readonly #lines: Lines;
  readonly #restarts: Restarts;

  constructor(
    session: Session,
    history: History,
    makeProgram: MakeProgram,
    { json = false }: GlobalOptions,
  ) {
    this.#session = session;
    this.#history = history;
    this.#makeProgram = makeProgram;
    this.#isJson = json;
    this.#isTerminal = session.terminal.isInput && session.terminal.isOutput;
    const program = makeProgram(() => Promise.resolve(), () => {});
    for (const command of program.commands) {
      const flags = command.options.map(({ long }) => long ?? "");
      this.#commands.set(command.name(), [...flags, "--json"]);
    }
    this.#lines = new Lines(session.terminal, {
      history: history.latestFirst,
      complete: (line) => this.#complete(line),
      interrupt: () => session.interrupt.abort(),
    });
    this.#restarts = new Restarts(session);
    session.readValue = () => this.#readValue();
  }

  async run(): Promise<number> {
    const { addresses, terminal } = this.#session;
    if (this.#isTerminal) {
      for (const line of await this.#restarts.begin()) terminal.warn(line);
      terminal.warn(pc.dim(WELCOME));
    }
    const name = addresses.length === 1
      ? addresses[0].name
      : `${addresses.length} servers`;
    let code: number = OK;
    for (;;) {
      const words = await this.#readCommand(`${name}> `);
      if (words === undefined || LEAVE.includes(words[0])) break;
      if (words.length === 0) continue;
      code = await this.#execute(words);
      for (const line of await this.#restarts.check()) {
        terminal.warn(pc.yellow(line));
      }
    }
    return code;
  }

  close(): void {
    this.#lines.close();
  }

  /** Reads a line, and more while a quote is open. */
  async #readCommand(prompt: string): Promise<string[] | undefined> {
    let text = await this.#lines.ask(prompt);
    if (text === undefined) {
      if (this.#isTerminal) await this.#session.terminal.print("");
      return undefined;
    }
    for (;;) {
      const split = splitWords(text);
      if ("words" in split) {
        this.#history.add(text);
        return split.words;
      }
      const more = await this.#lines.ask(MORE);
      if (this.#lines.wasDropped) return [];
      if (more === undefined) {
        this.#session.terminal.warn(
          `memcache: Cannot run: ${split.open} is still open at the end of the input`,
        );
        return undefined;
      }
      text = split.open === "\\"
        ? text.slice(0, -1) + more
        : `${text}\n${more}`;
    }
  }

  /** Reads a value: lines, up to one that is a dot. */
  async #readValue(): Promise<Uint8Array> {
    if (this.#isTerminal) {
      this.#session.terminal.warn(
        pc.dim("Type the value; a line with nothing but . ends it"),
      );
    }
    const lines: string[] = [];
    for (;;) {
      const line = await this.#lines.ask(MORE);
      if (this.#lines.wasDropped) throw new GivenUp();
      if (line === undefined || line === ".") break;
      lines.push(line);
    }
    return new TextEncoder().encode(lines.join("\n"));
  }

  async #execute(words: readonly string[]): Promise<number> {
    const session = this.#session;
    const { terminal } = session;
    let code: number = OK;
    let printed = "";
    session.renew();
    const run: Run = async (work) => {
      session.json = this.#isJson ||
        program.opts<GlobalOptions>().json === true;
      code = await work(session);
      if (code === MISS && this.#isTerminal && !session.json) {
        terminal.warn(pc.dim("(miss)"));
      }
    };
    const program = this.#makeProgram(run, (text) => printed += text)
      .option("--json", "print JSON");
    try {
      await program.parseAsync([...words], { from: "user" });
      if (["get", "set", "item"].includes(words[0]) && words.length > 1) {
        this.#keys.add(words[1]);
      }
    } catch (error) {
      if (error instanceof CommanderError) {
        code = error.exitCode === 0 ? OK : USAGE;
      } else if (error instanceof GivenUp) {
        code = INTERRUPTED;
      } else if (session.interrupt.signal.aborted) {
        code = INTERRUPTED;
        terminal.warn("memcache: interrupted");
      } else {
        code = exitCodeOf(error);
        complain(session, error);
      }
    }
    const text = printed.replace(/\n$/, "").replace(/^error: /, "memcache: ");
    if (code === OK && text !== "") await terminal.print(text);
    else if (text !== "") terminal.warn(text);
    if (code === FAILURE && this.#isTerminal) {
      terminal.warn(pc.dim("The next command connects again where it has to"));
    }
    return code;
  }

  /** What may come next. */
  #complete(line: string): [string[], string] {
    const words = line.split(/\s+/);
    const last = words[words.length - 1];
    const names = [...this.#commands.keys(), "help", ...LEAVE];
    let all: readonly string[];
    if (words.length === 1) all = names;
    else if (words[0] === "help") all = [...this.#commands.keys()];
    else if (last.startsWith("-")) all = this.#commands.get(words[0]) ?? [];
    else if (words[0] === "stats") {
      all = ["items", "slabs", "settings", "sizes", "conns", "reset"];
    } else all = [...this.#keys];
    const fitting = all.filter((word) => word.startsWith(last))
      .map((word) => `${word} `);
    return [fitting, last];
  }
}

/** A value that was given up by Ctrl-C. */
class GivenUp extends Error {}
