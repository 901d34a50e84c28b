/**
 * Types that many parts share. No code.
 *
 * @module
 */

/**
 * The key of an item, or a pair of a routing key and a key: on a cluster the
 * first of the pair chooses the server, the second is the item's key.
 */
export type Key = string | readonly [routingKey: string, key: string];

/** What every command takes as its last argument. */
export interface CommandOptions {
  /** Gives the command up: its promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Milliseconds for this command, from the call to the last byte of the
   * reply, `0` for none, at most 2^31 - 1.
   *
   * @default {the client's `timeout`}
   */
  timeout?: number;
}

/** A value as a serde hands it over: bytes (or text, sent as UTF-8) and flags. */
export interface Serialized {
  /** The bytes to store; a string is stored as UTF-8. */
  data: Uint8Array | string;
  /** The client's number stored beside the value, 0 to 2^32 - 1. */
  flags: number;
}

/** Options of {@linkcode Item.set}. */
export interface ItemStoreOptions extends CommandOptions {
  /**
   * Lifetime of the item.
   *
   * @default {0}
   */
  ttl?: Ttl;
  /**
   * The number stored beside the value, 0 to 2^32 - 1; overrides the serde's,
   * which is used if absent.
   */
  flags?: number;
}

/**
 * An item as it was read: the value, what memcached keeps beside it, and the
 * changes that happen only if nobody else has changed it since.
 *
 * To every comparison, print and copy it is the plain object `{ key, value,
 * flags, cas }`: its methods are not enumerable. They answer as `cas` does:
 * `false` if the item has changed since, `undefined` if it is gone. After a
 * change `cas` is the new one, so that calls can follow one another; `value` and
 * `flags` stay what was read.
 *
 * All of them need memcached 1.6 or later but `set` and `touch`, which go as
 * `cas` elsewhere. That does not tell the new `cas`: it is 0 then, which no item
 * has, and with it every method is a {@linkcode MemcacheIllegalInputError}. Read
 * the item again. So are those of an item that a `FallbackClient` has read from
 * another client than its first, and those of a server that keeps none (`-C`).
 *
 * They are methods of the client that was asked, but for two: of a
 * `RetryingClient`, they are attempted once; of a `StrictClient`, they throw
 * {@linkcode MemcacheCasError} and {@linkcode MemcacheNotFoundError} in place of
 * `false` and `undefined`.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { MemcachedServer } from "@x/memcache/testing";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * await client.set("seats", 3);
 * const seats = await client.getItem<number>("seats");
 * if (seats !== undefined && seats.value > 0) {
 *   console.log(await seats.decr()); // 2; `false` if somebody was faster
 *   console.log(await seats.touch(600)); // true
 * }
 * await client.close();
 * await server.close();
 * ```
 */
export interface Item<T = unknown> {
  /** The caller's key, without the client's prefix. */
  readonly key: string;
  /** The value, read by the client's serde. */
  readonly value: T;
  /** The 32-bit number stored with the value. */
  readonly flags: number;
  /** The version of the item: changes with every store. */
  readonly cas: bigint;
  /**
   * Stores another value.
   *
   * Sent as `ms` with `C`, or as `cas`. Source: protocol.txt, "Meta Set".
   *
   * @param value What the client's serde can store.
   * @param options Lifetime, flags, a timeout, a signal.
   * @returns `true` when stored, `false` when the item has changed, `undefined`
   * when it is gone.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  set(value: unknown, options?: ItemStoreOptions): Promise<boolean | undefined>;
  /**
   * Adds bytes behind the stored ones; flags and lifetime stay as they are.
   *
   * Sent as `ms` with `C` and `MA`. Source: protocol.txt, "Meta Set".
   *
   * @param value What the client's serde can store.
   * @param options A timeout, a signal.
   * @returns `true` when stored, `false` when the item has changed, `undefined`
   * when it is gone, or the sum is too large.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  append(
    value: unknown,
    options?: CommandOptions,
  ): Promise<boolean | undefined>;
  /**
   * Adds bytes before the stored ones; flags and lifetime stay as they are.
   *
   * Sent as `ms` with `C` and `MP`. Source: protocol.txt, "Meta Set".
   *
   * @param value What the client's serde can store.
   * @param options A timeout, a signal.
   * @returns `true` when stored, `false` when the item has changed, `undefined`
   * when it is gone, or the sum is too large.
   * @throws {MemcacheSerdeError} If the value cannot be stored.
   */
  prepend(
    value: unknown,
    options?: CommandOptions,
  ): Promise<boolean | undefined>;
  /**
   * Adds to the counter that the item is; past 2^64 - 1 it starts again at 0.
   *
   * Sent as `ma` with `C`. Source: protocol.txt, "Meta Arithmetic".
   *
   * @param delta 0 to 2^64 - 1; its type is the type of the result. Default 1.
   * @param options A timeout, a signal.
   * @returns The new value, `false` when the item has changed, `undefined` when
   * it is gone.
   * @throws {MemcacheNonNumericError} If the stored value is no number.
   * @throws {MemcacheSerdeError} If the result is past 2^53 - 1 and the delta is
   * a number.
   */
  incr<D extends number | bigint = number>(
    delta?: D,
    options?: CommandOptions,
  ): Promise<(D extends bigint ? bigint : number) | false | undefined>;
  /**
   * Takes from the counter that the item is; below 0 it stays at 0.
   *
   * Sent as `ma` with `C` and `MD`. Source: protocol.txt, "Meta Arithmetic".
   *
   * @param delta 0 to 2^64 - 1; its type is the type of the result. Default 1.
   * @param options A timeout, a signal.
   * @returns The new value, `false` when the item has changed, `undefined` when
   * it is gone.
   * @throws {MemcacheNonNumericError} If the stored value is no number.
   * @throws {MemcacheSerdeError} If the result is past 2^53 - 1 and the delta is
   * a number.
   */
  decr<D extends number | bigint = number>(
    delta?: D,
    options?: CommandOptions,
  ): Promise<(D extends bigint ? bigint : number) | false | undefined>;
  /**
   * Sets a new lifetime.
   *
   * No command of memcached does that for one version of an item alone. So the
   * bytes are read again, and the same ones stored if they still are of this
   * version: two commands. An item that was marked as stale no longer is.
   *
   * @param ttl The lifetime from now on, in seconds or as a `Date`.
   * @param options A timeout for both commands, a signal.
   * @returns `true` when set, `false` when the item has changed, `undefined` when
   * it is gone.
   */
  touch(ttl: Ttl, options?: CommandOptions): Promise<boolean | undefined>;
  /**
   * Deletes the item.
   *
   * Sent as `md` with `C`. Source: protocol.txt, "Meta Delete".
   *
   * @param options A timeout, a signal.
   * @returns `true` when deleted, `false` when the item has changed, `undefined`
   * when it is gone.
   */
  delete(options?: CommandOptions): Promise<boolean | undefined>;
}

/**
 * The `ttl` of an item: whole seconds from now, `0` for never, a negative
 * number for already expired, a `Date` for that instant.
 */
export type Ttl = number | Date;

/** How TLS is set up for a connection. Verification is on by default. */
export interface TlsOptions {
  /** Certificates of the authorities to trust, PEM; the runtime's if absent. */
  caCerts?: readonly string[];
  /** The client's own certificate chain, PEM; needs `key`. */
  cert?: string;
  /** The private key of `cert`, PEM. */
  key?: string;
  /**
   * The name the server's certificate must carry.
   *
   * @default {the host}
   */
  serverName?: string;
  /** Protocols to offer by ALPN, in order of preference. */
  alpnProtocols?: readonly string[];
  /**
   * Accepts any certificate. For tests only.
   *
   * @default {false}
   */
  insecureSkipVerify?: boolean;
}
