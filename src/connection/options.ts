/**
 * What a connection is told by its client.
 *
 * @module
 */

import type { Dial, KeepAliveOptions, ServerAddress } from "../conn/conn.ts";
import type { MemcacheError } from "../errors.ts";
import type { ServerPlace } from "../telemetry/channels.ts";
import type { ServerStats } from "../telemetry/server_stats.ts";
import type { TlsOptions } from "../types.ts";
import type { Approach } from "./approach.ts";
import type { Credentials } from "./handshake.ts";
import type { Request } from "./request.ts";
import type { Watch } from "./watch.ts";

/** What a connection needs to know. Every value has been checked. */
export interface ConnectionOptions {
  /** Where to. */
  readonly address: ServerAddress;
  /** How to get there. */
  readonly dial: Dial;
  /** Milliseconds, 0 for none. */
  readonly connectTimeout: number;
  /** Milliseconds that a command may take by default, 0 for none. */
  readonly timeout: number;
  /** TCP_NODELAY. */
  readonly noDelay: boolean;
  /** TCP keep-alive. */
  readonly keepAlive: boolean | KeepAliveOptions;
  /** TLS, if wanted. */
  readonly tls: TlsOptions | undefined;
  /** ASCII authentication, if wanted. */
  readonly auth: Credentials | undefined;
  /** What to speak. */
  readonly protocol: "auto" | "classic" | "meta";
  /** Commands that may wait for a reply. */
  readonly maxPending: number;
  /** Largest value to accept, in bytes. */
  readonly maxValueSize: number;
  /** Sees the failures that no caller can be told of. */
  readonly report: (error: MemcacheError) => void;
  /** Makes one request of many gets. */
  readonly join: (requests: Request[]) => Request;
  /** Is told what happens, if anybody wants to know. */
  readonly watch?: Watch;
}

/** What a connection of a pool has to do with the others. */
export interface PoolPlace {
  /** How they come to the server. */
  readonly approach: Approach;
  /** Sends a request by another connection, if one is open; tells whether. */
  readonly takes: (request: Request) => boolean;
  /** Whether the server has answered on a connection that is open. */
  readonly serves: () => boolean;
  /** Is told that nothing is open any more, nor waits. */
  readonly rested: () => void;
}

/** Bytes of commands in one write. */
const BATCH_BYTES = 36 * 1024;

/**
 * The same with TLS. memcached (1.6.18) reads one record at a time into 16 KiB
 * and goes to sleep over what it leaves of it, so a record has to end where a
 * command does: all commands of a write but the last one fit into one.
 */
const RECORD_BYTES = 8 * 1024;

/** Bytes of commands that one write of a connection may hold. */
export function batchBytes({ tls }: ConnectionOptions): number {
  return tls === undefined ? BATCH_BYTES : RECORD_BYTES;
}

/** Where a server is, as it is told to others: without credentials. */
export function placeOf(address: ServerAddress): ServerPlace {
  const { name: server } = address;
  if (address.transport === "unix") return { server, path: address.path };
  const { host, port } = address;
  return { server, host, port };
}

/** What a server speaks: `"unknown"` until the probe is answered. */
export type Speaks = "unknown" | "meta" | "classic";

/** What a link needs to know of the connection it serves. */
export interface LinkOptions {
  /** Name of the server. */
  readonly server: string;
  /** Commands that may wait for a reply. */
  readonly maxPending: number;
  /** Largest value to accept, in bytes. */
  readonly maxValueSize: number;
  /** Commands are encoded up to this many bytes before they are written. */
  readonly batchBytes: number;
  /** Sent first, if given. */
  readonly auth: Credentials | undefined;
  /** What to speak before the probe is answered. */
  readonly speaks: Speaks;
  /** Whether meta is insisted on. */
  readonly insistsOnMeta: boolean;
  /**
   * `count` goes on whenever bytes arrive, `untold` whenever the connection ends
   * over the question for the version.
   */
  readonly pulse: { count: number; untold: number };
  /** What is counted of the server. */
  readonly stats: ServerStats;
  /** Whether commands wait for the answer to the probe. */
  readonly patient: boolean;
  /** Makes one request of many gets. */
  readonly join: (requests: Request[]) => Request;
}

/** Whom a link tells what happens to it. */
export interface LinkOwner<Link> {
  /** The link can be written to (again). */
  ready(): void;
  /** Everything in flight has been answered. */
  idle(): void;
  /** The server has answered as a memcached does. */
  verified(speaks: Speaks): void;
  /** The link has ended. */
  lost(link: Link, error: MemcacheError | undefined): void;
  /** A command without reply has failed. */
  report(error: MemcacheError): void;
}
