/**
 * What every behaviour of the conformance suite is given, and the checks that
 * they share.
 *
 * @module
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  type ClientOptions,
  type ErrorClass,
  type KeyCommands,
  type MemcacheError,
  MemcacheIllegalInputError,
  type ServerCommands,
} from "@x/memcache";
import { Tap } from "./tap.ts";

/** A client that the suite has been given. */
export interface Made {
  /** The commands on keys. */
  readonly client: KeyCommands;
  /**
   * The commands for the server that has the keys: absent where there is more
   * than one. Behaviours that need them do not run then.
   */
  readonly server?: ServerCommands;
  /** Closes the client, and what was opened for it. */
  close(): Promise<void>;
}

/** Makes a client of the kind under test, for the same server every time. */
export type Make = (options?: ClientOptions) => Promise<Made>;

/** What is known of the client and the server under test. */
export interface Traits {
  /** Whether the server knows the meta commands. @default {true} */
  meta?: boolean;
  /**
   * The most connections that a client opens. On one alone commands keep their
   * order and share their fate.
   *
   * @default {1}
   */
  connections?: number;
  /**
   * Whether the client can tell the error of a command without reply from that
   * of the next one, which takes meta. @default {true}
   */
  fences?: boolean;
  /**
   * How often the client attempts what fails on its connection.
   *
   * @default {1}
   */
  attempts?: number;
  /**
   * How many servers the client has. Where there are several, one that is
   * silent soon fails commands in another way than by their timeouts.
   *
   * @default {1}
   */
  servers?: number;
  /** The server's name in errors; any if absent. */
  name?: string;
  /**
   * Leaves out the behaviours in which no server takes part: they are the same
   * over every transport. @default {false}
   */
  brief?: boolean;
  /** Behaviours that it does not have, and why. @default {{}} */
  except?: Readonly<Record<string, string>>;
  /** What it sends of its own, beside what it is told to. */
  hidden?: RegExp;
}

/** Where behaviours take place. */
export interface Stage {
  /** A client with default options. */
  readonly client: KeyCommands;
  /** What is known of it. */
  readonly traits: Traits;
  /** Whether there is one connection only, and so one order. */
  readonly ordered: boolean;
  /** Makes a key that no other behaviour uses. */
  key(name?: string): string;
  /** Makes a client of its own for `use`, and closes it. */
  open<T>(options: ClientOptions, use: (made: Made) => Promise<T>): Promise<T>;
  /** The same, with a look into its connections. */
  tapped<T>(
    use: (tap: Tap, made: Made) => Promise<T>,
    options?: ClientOptions,
  ): Promise<T>;
}

/** A {@linkcode Stage} with one server. */
export interface ServerStage extends Stage {
  /** Its commands. */
  readonly server: ServerCommands;
}

/** One behaviour. */
export interface Behaviour<S> {
  (stage: S): Promise<void>;
  /** Whether no server takes part in it. */
  local?: boolean;
}

/** Behaviours of every client, by name. */
export type Behaviours = Record<string, Behaviour<Stage>>;

/** Behaviours of clients with one server, by name. */
export type ServerBehaviours = Record<string, Behaviour<ServerStage>>;

/** Marks a behaviour in which no server takes part. */
export function local<S>(behave: (stage: S) => Promise<void>): Behaviour<S> {
  return Object.assign(behave, { local: true });
}

let keys = 0;

/** Sets the stage for a client. */
export function setStage(
  make: Make,
  { client, server }: Made,
  traits: Traits,
): Stage & { readonly server: ServerCommands | undefined } {
  const open: Stage["open"] = async (options, use) => {
    const made = await make(options);
    try {
      return await use(made);
    } finally {
      await made.close();
    }
  };
  return {
    client,
    server,
    traits,
    ordered: (traits.connections ?? 1) === 1,
    key: (name = "key") => `${++keys}:${name}`,
    open,
    tapped: (use, options = {}) => {
      const tap = new Tap(traits.hidden);
      return open({ ...options, dial: tap.dial }, (made) => use(tap, made));
    },
  };
}

/** Fields of an error. */
export type ErrorFields = Partial<
  Pick<
    MemcacheError,
    "code" | "server" | "command" | "key" | "sent" | "failedKeys"
  >
>;

/**
 * Checks that a call rejects with an error of a class, and does not throw.
 *
 * @returns The error.
 */
export async function rejects<E extends Error>(
  call: () => Promise<unknown>,
  expected: ErrorClass & (abstract new (...args: never[]) => E),
  fields: ErrorFields = {},
  about = "",
): Promise<E> {
  const error = await outcome(call()).then(
    (value) => {
      throw new Error(`${about}: resolved to ${String(value)}`);
    },
    (error: unknown) => error,
  );
  assertInstanceOf(error, expected, `${about}: ${error}`);
  for (const [name, value] of Object.entries(fields)) {
    assertEquals(
      (error as unknown as Record<string, unknown>)[name],
      value,
      `${about}: ${name} of ${error}`,
    );
  }
  // An instance of the class that was asked for.
  return error as E;
}

/** Checks that a call is refused before it is sent. */
export async function refuses(
  call: () => Promise<unknown>,
  about: string,
): Promise<void> {
  const error = await rejects(
    call,
    MemcacheIllegalInputError,
    { sent: false },
    about,
  );
  assert(error.code === "ERR_ILLEGAL_INPUT", `${about}: ${error.code}`);
}

/** A promise as it is, but that nobody is told of its failure too early. */
export function outcome<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

const LONGEST = 2 ** 20;
const PATTERN = Uint8Array.from({ length: LONGEST }, (_, i) => i & 0xff);

/** Bytes 0, 1, 2 … 255, 0 …, at most 2^20 of them, for the caller to keep. */
export function pattern(length: number): Uint8Array {
  assert(length <= LONGEST);
  return PATTERN.slice(0, length);
}

/** More bytes than a server takes by default, all of them 0. */
export const TOO_LARGE: Uint8Array = new Uint8Array(LONGEST);

/** Text as UTF-8. */
export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** UTF-8 as text. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Checks bytes, of which there may be many. */
export function assertBytes(
  actual: unknown,
  expected: Uint8Array,
  about = "bytes",
): void {
  assertInstanceOf(actual, Uint8Array, about);
  assertEquals(actual.length, expected.length, about);
  let at = 0;
  while (at < expected.length && actual[at] === expected[at]) at++;
  assert(at === expected.length, `${about}: differ at ${at}`);
}

/**
 * Checks what is not told when it happens: at once where one connection keeps
 * the order, else until it is so.
 */
export async function settles(
  { ordered }: Stage,
  check: () => Promise<void>,
): Promise<void> {
  const end = Date.now() + 1000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (ordered || Date.now() > end) throw error;
    }
  }
}

/**
 * Seconds that an item has left, -1 for one without an end, `undefined` for no
 * item.
 */
export async function ttlOf(
  { server, traits }: ServerStage,
  key: string,
): Promise<number | undefined> {
  if (traits.meta ?? true) {
    const reply = text(await server.rawCommand(`mg ${key} t`));
    return reply === "EN"
      ? undefined
      : Number(/^HD t(-?\d+)$/.exec(reply)?.[1]);
  }
  const dump = text(
    await server.rawCommand("lru_crawler metadump all", {
      endToken: "END\r\n",
    }),
  );
  const line = dump.split("\n").find((line) =>
    line.startsWith(`key=${encodeURIComponent(key)} `)
  );
  if (line === undefined) return undefined;
  const exp = Number(/ exp=(-?\d+) /.exec(line)?.[1]);
  return exp === -1 ? -1 : exp - Math.floor(Date.now() / 1000);
}

/**
 * Checks how long an item has left. Servers count in whole seconds and look at
 * the time now and then, so it is not exact.
 */
export async function assertTtl(
  stage: ServerStage,
  key: string,
  seconds: number | undefined,
  about = "ttl",
): Promise<void> {
  const left = await ttlOf(stage, key);
  if (seconds === undefined || seconds === -1 || left === undefined) {
    assertEquals(left, seconds, about);
  } else {
    assert(
      Math.abs(left - seconds) <= 3,
      `${about}: ${left} s left, not ${seconds}`,
    );
  }
}
