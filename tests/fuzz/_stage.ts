/**
 * One client, its server, and the connections between them, without a socket:
 * what arrives on the first connection is the director's to say, on all others
 * the server answers at once.
 *
 * @module
 */
import { Client, type ClientOptions, MemcacheError } from "@x/memcache";
import type { Answer, Call, Form } from "./_calls.ts";
import { TOKENS } from "./_calls.ts";
import { signaturesOf } from "./_signatures.ts";
import { type Command, CommandReader } from "./_commands.ts";
import { Pipe } from "./_pipe.ts";
import { readReplies } from "./_reference.ts";
import type { World } from "./_world.ts";

/** Calls that were given up are rejected with this. */
export const GIVEN_UP: Error = new Error("given up");

/** Milliseconds that a call has, by default. */
export const TIMEOUT = 1000;

/** The same for one that is in a hurry. */
const SHORT = 20;

/** Milliseconds beyond a timeout in which a call has to end. */
const GRACE = 50;

/** What is done to a call, besides answering it. */
export type Limit = "aborted" | "in a hurry" | undefined;

/** A call on its way. */
export interface Running {
  /** The call. */
  readonly call: Call;
  /** How it ends, or may end, where that is not the server's to say. */
  readonly limit: Limit;
  /** Gives it up. */
  readonly abort: () => void;
  /** Whether it was given up before it had ended. */
  aborted: boolean;
  /** When it was made. */
  readonly began: number;
  /** When it ended. */
  ended: number;
  /** Whether it has ended. */
  settled: boolean;
  /** What it resolved to. */
  value?: unknown;
  /** What it rejected with. */
  error?: unknown;
}

/** One connection, from the server's side. */
interface Line {
  readonly pipe: Pipe;
  readonly reader: CommandReader;
  /** The commands that were read. */
  readonly commands: Command[];
  /** The honest replies to them, one each. */
  readonly replies: string[];
  /** What was delivered. */
  arrived: string;
  /** How many of the replies have been delivered, or replaced. */
  answered: number;
}

/** A client with a server. */
export class Stage {
  /** The client. */
  readonly client: Client;
  /** Everything that was called. */
  readonly running: Running[] = [];
  /** Every connection. */
  readonly lines: Line[] = [];
  /** What the client sent that is no command, if it did. */
  fault: string | undefined;
  readonly #world: World;
  readonly #probes: boolean;

  /** Makes a client of a server that holds `world`. */
  constructor(
    world: World,
    form: Form,
    options: ClientOptions,
    wrap: (client: Client) => Client = (client) => client,
  ) {
    this.#world = world;
    this.#probes = options.protocol !== "classic";
    this.client = wrap(
      new Client("fuzz:1", {
        timeout: TIMEOUT,
        connectTimeout: TIMEOUT,
        serde: form.serde,
        dial: () => Promise.resolve(this.#accept()),
        ...options,
      }),
    );
  }

  /** The first connection, once there is one. */
  get first(): Line | undefined {
    return this.lines[0];
  }

  /** Whether every call has ended. */
  get settled(): boolean {
    return this.running.every(({ settled }) => settled);
  }

  /** The replies that the first connection still owes. */
  get owed(): string[] {
    const { first } = this;
    return first === undefined ? [] : first.replies.slice(first.answered);
  }

  /** Makes a call. */
  call(call: Call, limit: Limit): void {
    const control = new AbortController();
    const options = limit === "in a hurry"
      ? { timeout: SHORT }
      : limit === "aborted"
      ? { signal: control.signal }
      : {};
    const running: Running = {
      call,
      limit,
      abort: () => {
        running.aborted = !running.settled;
        control.abort(GIVEN_UP);
      },
      aborted: false,
      began: performance.now(),
      ended: 0,
      settled: false,
    };
    this.running.push(running);
    const end = (): void => {
      running.settled = true;
      running.ended = performance.now();
    };
    call.start(this.client, options).then((value) => {
      end();
      running.value = value;
    }, (error) => {
      end();
      running.error = error;
    });
  }

  /** Delivers something in place of the replies that are owed, in pieces. */
  deliver(pieces: Iterable<string>, direct: () => boolean): void {
    const { first } = this;
    if (first === undefined) return;
    first.answered = first.replies.length;
    for (const piece of pieces) {
      if (piece === "") continue;
      first.arrived += piece;
      first.pipe.deliver(piece, direct());
    }
  }

  #accept(): Pipe {
    const line: Line = {
      pipe: new Pipe((text) => this.#take(line, text)),
      reader: new CommandReader(),
      commands: [],
      replies: [],
      arrived: "",
      answered: 0,
    };
    this.lines.push(line);
    return line.pipe;
  }

  #take(line: Line, text: string): void {
    try {
      for (const command of line.reader.feed(text)) {
        line.commands.push(command);
        line.replies.push(this.#world.answer(command));
      }
    } catch (error) {
      this.fault ??= String(error);
    }
    if (line === this.first) return;
    queueMicrotask(() => {
      const text = line.replies.slice(line.answered).join("");
      line.answered = line.replies.length;
      line.arrived += text;
      line.pipe.deliver(text);
    });
  }

  /** What the replies of every connection mean, by the signatures of commands. */
  #answers(): Array<Map<string, Answer[]>> {
    return this.lines.map((line) => {
      const { arrived, commands } = line;
      const meanings = readReplies(arrived, commands, this.#probes, TOKENS);
      const answers = new Map<string, Answer[]>();
      for (const [i, command] of commands.entries()) {
        for (const signature of signaturesOf(command)) {
          const list = answers.get(signature);
          const answer = { command, meaning: meanings[i] };
          if (list === undefined) answers.set(signature, [answer]);
          else list.push(answer);
        }
      }
      return answers;
    });
  }

  /**
   * Judges every call.
   *
   * @param misses Whether errors may have become misses.
   * @returns What is wrong with the first one that is, or `undefined`.
   */
  judge(misses: boolean): string | undefined {
    if (this.fault !== undefined) return this.fault;
    const all = this.#answers();
    const proven = this.#provenCommands();
    const rank = new Map<string, number>();
    const loose = this.#loose(all);
    for (const [number, running] of this.running.entries()) {
      const { call, limit, value, error } = running;
      const about = `call ${number + 1} (${call.name})`;
      if (!running.settled) return `${about} has not settled`;
      const late = lateness(running);
      if (late > GRACE) return `${about} ended ${late} ms past its timeout`;
      const answers = call.signatures.map((signature) => {
        const place = rank.get(signature) ?? 0;
        rank.set(signature, place + 1);
        return all.flatMap((answers, line) => {
          const those = answers.get(signature) ?? [];
          return line > 0 || loose.has(signature)
            ? those
            : those.slice(place, place + 1);
        });
      });
      if (running.aborted) {
        if (error === GIVEN_UP) continue;
        return `${about} was aborted, and gave ${error ?? value}`;
      }
      const must = limit === undefined && !call.noreply &&
        !(misses && call.signatures.some((text) => loose.has(text))) &&
        answers.every((list) =>
          list.length > 0 && list.every(({ command }) => proven.has(command))
        );
      if (error !== undefined) {
        if (!(error instanceof MemcacheError)) {
          return `${about} rejected with ${String(error)}`;
        }
        if (
          error.sent === false && UNIQUE.test(call.signatures[0]) &&
          answers[0].length > 0
        ) {
          return `${about} was sent, and says that it was not`;
        }
        // A counter past 2^53 is there, and no number that we can give.
        const told = error.code === "ERR_SERDE" && COUNTS.test(call.name);
        const sent = error.sent !== false;
        if (must && sent && !told && !isHonest(answers)) {
          return `${about} rejected although its reply was whole: ${error}`;
        }
        continue;
      }
      const fault = call.judge(value, answers, must || !misses);
      if (fault !== undefined) {
        return `${about} gave ${fault} that its reply does not say`;
      }
    }
    return undefined;
  }

  /** Signatures of calls of which nobody knows whether they were sent. */
  #loose(all: ReadonlyArray<Map<string, Answer[]>>): Set<string> {
    const calls = new Map<string, number>();
    for (const { call } of this.running) {
      for (const signature of call.signatures) {
        calls.set(signature, (calls.get(signature) ?? 0) + 1);
      }
    }
    const loose = new Set<string>();
    for (const [signature, count] of calls) {
      let sent = 0;
      for (const answers of all) sent += answers.get(signature)?.length ?? 0;
      if (sent < count || LOOSE.test(signature)) loose.add(signature);
    }
    for (const { call, aborted } of this.running) {
      if (aborted) call.signatures.forEach((text) => loose.add(text));
    }
    return loose;
  }

  /** The commands whose replies arrived whole, and before any damage. */
  #provenCommands(): Set<Command> {
    const proven = new Set<Command>();
    for (const { arrived, commands, replies } of this.lines) {
      let at = 0;
      let noreply = false;
      for (const [i, command] of commands.entries()) {
        const reply = replies[i];
        // Whose error it is nobody can tell behind a command without reply.
        if (noreply && reply.includes("ERROR")) break;
        noreply ||= command.noreply;
        if (!arrived.startsWith(reply, at)) break;
        at += reply.length;
        proven.add(command);
      }
    }
    return proven;
  }

  /** What is left of the connections after the client was closed. */
  leaks(): string | undefined {
    const open = this.lines.filter(({ pipe }) => !pipe.closed && !pipe.ended);
    return open.length === 0
      ? undefined
      : `${open.length} connections are open after close()`;
  }
}

/** What may be sent more often than it is called, or in another order. */
const LOOSE = /^(?:incr|decr|add|delete|md) /;

/** What carries a value of its own: it was sent by this call, or not at all. */
const UNIQUE = /^(?:set|replace|append|prepend|cas|ms) /;

const COUNTS = /^(?:incr|decr|ma) /;

/** Whether the server itself says that something went wrong. */
function isHonest(answers: ReadonlyArray<readonly Answer[]>): boolean {
  return answers.flat().some(({ meaning }) => meaning?.error === true);
}

/** Milliseconds that a call took beyond those that it had. */
function lateness({ limit, began, ended }: Running): number {
  return ended - began - (limit === "in a hurry" ? SHORT : TIMEOUT);
}
