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

/** An item as it is stored: the value and what memcached keeps beside it. */
export interface Item<T = unknown> {
  /** The caller's key, without the client's prefix. */
  readonly key: string;
  /** The value, read by the client's serde. */
  readonly value: T;
  /** The 32-bit number stored with the value. */
  readonly flags: number;
  /** The version of the item: changes with every store. */
  readonly cas: bigint;
}

/**
 * The `ttl` of an item: whole seconds from now, `0` for never, a negative
 * number for already expired, a `Date` for that instant.
 */
export type Ttl = number | Date;

/** How TLS is set up for a connection. Verification is on by default. */
export interface TlsOptions {
  /** Certificates of the authorities to trust, PEM; the system's if absent. */
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
