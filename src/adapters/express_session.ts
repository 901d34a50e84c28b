/**
 * A session store for [express-session](https://expressjs.com). An entry of its
 * own that does not import it.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcacheStore } from "@x/memcache/express-session";
 * import session from "express-session";
 *
 * const client = new Client("localhost");
 * const sessions = session({
 *   store: new MemcacheStore(session, client),
 *   secret: "a long random text",
 *   resave: false,
 *   saveUninitialized: false,
 * });
 * console.log(typeof sessions); // "function"
 * await client.close();
 * ```
 *
 * @module
 */

import { EventEmitter } from "node:events";
import type { KeyCommands } from "../client/commands.ts";
import { checkClient, checkFlag, checkNumber, checkText } from "./checks.ts";
import { deleteAll, listKeys, toSeconds } from "./keys.ts";

export type { KeyCommands };

/** What is used of express-session: the class of its stores. */
export interface SessionModule {
  /** The class that all stores of express-session extend. */
  readonly Store: {
    /** Its methods, which make sessions of what was stored. */
    readonly prototype: {
      /** Makes a session of what was stored. */
      createSession(request: never, session: never): unknown;
      /** Deletes the session of a request, and makes a new one. */
      regenerate(request: never, callback: never): unknown;
      /** Reads a session outside of a request. */
      load(id: string, callback: never): unknown;
    };
  };
}

/** What is used of the cookie of a session. */
export interface SessionCookie {
  /** Milliseconds that the cookie has left; none if it ends with the browser. */
  readonly maxAge?: number | null | undefined;
  /** When the cookie ends; not if it ends with the browser. */
  readonly expires?: Date | string | boolean | null | undefined;
}

/** What is used of a session. */
export interface StoredSession {
  /** The cookie, which says how long the session is. */
  readonly cookie: SessionCookie;
}

/** Is told of a failure, or of nothing. */
export type DoneCallback = (error?: unknown) => void;

/** Is told of a failure, or of a result. */
export type ResultCallback<T> = (error: unknown, result?: T) => void;

/** Options of {@linkcode MemcacheStore}. */
export interface MemcacheStoreOptions {
  /**
   * What is put before the id of a session.
   *
   * @default {"sess:"}
   */
  prefix?: string;
  /**
   * Seconds that a session is kept whose cookie ends with the browser, 0 for as
   * long as there is memory.
   *
   * @default {86_400}
   */
  ttl?: number;
  /**
   * Whether to leave lifetimes as they were when a session was saved last: for
   * sessions that must not go on because they are used.
   *
   * @default {false}
   */
  disableTouch?: boolean;
}

/**
 * Keeps the sessions of express-session in memcached.
 *
 * - A session is kept as long as its cookie (`cookie.maxAge`), by whole seconds
 *   rounded up and one on top, as memcached's clock ticks once a second; without
 *   a `maxAge`, for `ttl` seconds. express-session calls `touch` for a session
 *   that has not changed: one small command, that sends no value.
 * - Memcached forgets when it is full, and when it is started anew: sessions
 *   that must not be lost are not for it. A session that is gone is a new one.
 * - When the server cannot be reached, express-session answers with an error
 *   (500). For pages that rather go on without a session, give the client
 *   `errorsAsMisses: true`; a session that cannot be saved is an error still.
 * - `all`, `length` and `clear` list the keys of the servers (`client.keys`):
 *   they are for maintenance.
 * - Sessions are stored as text, JSON, whatever else the client's serde can do.
 * - Methods without a callback, and those that fail, never throw.
 *
 * The first argument is the module express-session itself: a store needs its
 * `Store` to make sessions of what was stored, and this entry imports nothing.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcacheStore } from "@x/memcache/express-session";
 * import { MemcachedServer } from "@x/memcache/testing";
 * import session from "express-session";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * const store = new MemcacheStore(session, client, { prefix: "app:" });
 * await new Promise((done) =>
 *   store.set("4711", { cookie: { maxAge: 60_000 } }, done)
 * );
 * console.log(await client.has("app:4711")); // true
 * await client.close();
 * await server.close();
 * ```
 */
export class MemcacheStore extends EventEmitter {
  readonly #methods: SessionModule["Store"]["prototype"];
  readonly #client: KeyCommands;
  readonly #prefix: string;
  readonly #ttl: number;
  readonly #disableTouch: boolean;

  /**
   * Makes a store around a client.
   *
   * @param session The module express-session.
   * @param client Any client, or a namespace of one; it stays the caller's.
   * @param options What is put before keys, lifetimes.
   * @throws {MemcacheIllegalInputError} If an option cannot be used.
   */
  constructor(
    session: SessionModule,
    client: KeyCommands,
    options: MemcacheStoreOptions = {},
  ) {
    super();
    this.#methods = session.Store.prototype;
    this.#client = client;
    this.#prefix = options.prefix ?? "sess:";
    this.#ttl = options.ttl ?? 86_400;
    this.#disableTouch = options.disableTouch ?? false;
    checkClient(client, "getMany");
    checkText("prefix", this.#prefix);
    checkNumber("ttl", this.#ttl, 0);
    checkFlag("disableTouch", this.#disableTouch);
  }

  /**
   * Reads a session.
   *
   * @param id The id of the session.
   * @param callback Is told of it, of `null` on a miss.
   */
  get(id: string, callback: (error: unknown, session?: never) => void): void {
    const read = this.#client.get<string>(this.#prefix + id).then((text) =>
      text === undefined ? null : parse(text)
    );
    // What is stored there has been a session: express-session knows its type.
    answer(read, (error, session) => callback(error, session as never));
  }

  /**
   * Stores a session for as long as its cookie says.
   *
   * @param id The id of the session.
   * @param session The session.
   * @param callback Is told when it is stored.
   */
  set(id: string, session: StoredSession, callback?: DoneCallback): void {
    answer(this.#store(id, session), callback);
  }

  /**
   * Deletes a session.
   *
   * @param id The id of the session.
   * @param callback Is told when it is gone.
   */
  destroy(id: string, callback?: DoneCallback): void {
    answer(this.#client.delete(this.#prefix + id), told(callback));
  }

  /**
   * Gives a session that has not changed its lifetime anew.
   *
   * @param id The id of the session.
   * @param session The session.
   * @param callback Is told when that is done.
   */
  touch(id: string, session: StoredSession, callback?: DoneCallback): void {
    const touched = this.#disableTouch
      ? Promise.resolve()
      : this.#client.touch(this.#prefix + id, this.#ttlOf(session));
    answer(touched, told(callback));
  }

  /**
   * Reads all sessions.
   *
   * @param callback Is told of them, in no order.
   */
  all(callback: (error: unknown, sessions?: never) => void): void {
    // What is stored there have been sessions: express-session knows the type.
    answer(
      this.#all(),
      (error, sessions) => callback(error, sessions as never),
    );
  }

  /**
   * Counts the sessions.
   *
   * @param callback Is told of their number.
   */
  length(callback: ResultCallback<number>): void {
    const keys = listKeys(this.#client, this.#prefix);
    answer(keys.then(({ length }) => length), callback);
  }

  /**
   * Deletes all sessions.
   *
   * @param callback Is told when they are gone.
   */
  clear(callback?: DoneCallback): void {
    answer(deleteAll(this.#client, this.#prefix), callback);
  }

  /**
   * Makes a session of what was stored, as express-session's own stores do.
   *
   * @param request The request that the session is for.
   * @param session What was stored.
   * @returns The session.
   */
  createSession(request: never, session: never): never {
    // The result is a Session of express-session, which knows its type.
    return this.#methods.createSession.call(this, request, session) as never;
  }

  /**
   * Deletes the session of a request, and makes a new one, as express-session's
   * own stores do.
   *
   * @param request The request.
   * @param callback Is told when that is done.
   */
  regenerate(request: never, callback: DoneCallback): void {
    this.#methods.regenerate.call(this, request, callback as never);
  }

  /**
   * Reads a session outside of a request, as express-session's own stores do.
   *
   * @param id The id of the session.
   * @param callback Is told of the session, of nothing on a miss.
   */
  load(id: string, callback: (error: unknown, session?: never) => void): void {
    this.#methods.load.call(this, id, callback as never);
  }

  async #store(id: string, session: StoredSession): Promise<void> {
    const ttl = this.#ttlOf(session);
    const text = JSON.stringify(session);
    if (!await this.#client.set(this.#prefix + id, text, { ttl })) {
      throw new Error("Cannot store session: the server refused it");
    }
  }

  async #all(): Promise<unknown[]> {
    const keys = await listKeys(this.#client, this.#prefix);
    const found = await this.#client.getMany<string>(keys);
    return [...found].map(([key, text]) => ({
      ...parse(text),
      id: key.slice(this.#prefix.length),
    }));
  }

  #ttlOf({ cookie }: StoredSession): number {
    const left = millisecondsOf(cookie);
    return left === undefined ? this.#ttl : toSeconds(left);
  }
}

function parse(text: string): object {
  const session: unknown = JSON.parse(text);
  if (typeof session === "object" && session !== null) return session;
  throw new TypeError("Cannot read session: no object is stored there");
}

/** How long a cookie is good for; `undefined` if it ends with the browser. */
function millisecondsOf(
  { maxAge, expires }: SessionCookie,
): number | undefined {
  if (typeof maxAge === "number") return maxAge;
  if (typeof expires === "string" || expires instanceof Date) {
    return new Date(expires).getTime() - Date.now();
  }
  return undefined;
}

/** Tells a callback of what became of a promise. */
function answer<T>(
  promise: Promise<T>,
  callback: ResultCallback<T> | undefined,
): void {
  // What a callback throws is an error of the program, not of the promise.
  const tell = (...args: Parameters<ResultCallback<T>>) =>
    queueMicrotask(() => callback?.(...args));
  promise.then((result) => tell(null, result), (error) => tell(error));
}

/** A callback that is told of failures only. */
function told(
  callback: DoneCallback | undefined,
): ResultCallback<unknown> | undefined {
  return callback && ((error) => callback(error));
}
