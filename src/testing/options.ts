/**
 * The options of the embedded server.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { ClusterMember } from "./cluster.ts";
import type { Settings } from "./context.ts";
import { knowledgeOf } from "./versions.ts";

/** How the server's side of TLS is set up. */
export interface ServerTlsOptions {
  /** The certificate chain to show, PEM. */
  cert: string;
  /** The private key of `cert`, PEM. */
  key: string;
  /** The authorities whose client certificates are accepted, PEM. */
  ca?: string;
  /**
   * Refuses clients without a certificate of `ca`.
   *
   * @default {false}
   */
  requestClientCert?: boolean;
}

/** Options of {@linkcode MemcachedServer.start}. */
export interface MemcachedServerOptions {
  /**
   * TCP port to listen at, 0 to 65535, 0 for a free one.
   *
   * @default {0}
   */
  port?: number;
  /**
   * Name or address to listen at.
   *
   * @default {"127.0.0.1"}
   */
  hostname?: string;
  /** Path of a unix domain socket to listen at, in place of TCP. */
  path?: string;
  /**
   * The clock: gives milliseconds since 1970.
   *
   * @default {Date.now}
   */
  now?: () => number;
  /**
   * Bytes of the largest item, key and header (about 60 bytes) included:
   * memcached's `-I`.
   *
   * @default {1_048_576}
   */
  maxItemSize?: number;
  /**
   * Bytes of all items: memcached's `-m`.
   *
   * @default {67_108_864}
   */
  memoryLimit?: number;
  /**
   * Whether the least recently used items make room for new ones. Without,
   * stores beyond `memoryLimit` fail: memcached's `-M`.
   *
   * @default {true}
   */
  evictions?: boolean;
  /**
   * The version of memcached that the server stands in for: what the command
   * `version` tells, and what other commands and flags are known. So `"1.5.6"`
   * has no meta commands, and `"1.6.40"` has the flags `E`, `x`, and `C` of
   * `mg`. It changes nothing else: statistics and error texts are those of
   * 1.6.18, and so is the syntax of the meta commands, which was another one
   * before 1.6.10. A version that is not of this form has all of 1.6.18.
   *
   * @default {"1.6.18"}
   */
  version?: string;
  /**
   * The only user let in, by ASCII authentication: memcached's `-Y`.
   * memcached splits what it is sent at blanks, so neither can contain one.
   */
  auth?: { username: string; password: string };
  /**
   * Whether the meta commands are known, whatever the version. Without, they
   * are answered with `ERROR` as by a server older than 1.5.19.
   *
   * @default {what the version says}
   */
  meta?: boolean;
  /**
   * Whether items have CAS uniques, memcached's `-C` if not.
   *
   * @default {true}
   */
  cas?: boolean;
  /**
   * Whether `flush_all` is allowed, `-F` if not.
   *
   * @default {true}
   */
  flush?: boolean;
  /**
   * Whether `shutdown` stops the server: memcached's `-A`.
   *
   * @default {false}
   */
  allowShutdown?: boolean;
  /**
   * The cluster that `config get cluster` tells, as managed memcached does it.
   * If absent, the command is unknown.
   */
  cluster?: readonly ClusterMember[];
  /** Serves TLS over TCP. */
  tls?: ServerTlsOptions;
  /**
   * Most open connections: those beyond are greeted with `ERROR Too many open
   * connections` and closed. memcached's `-c`.
   *
   * @default {1024}
   */
  maxConnections?: number;
  /**
   * Milliseconds after which an idle connection is closed, 0 for never. This
   * goes by real time, not by the server's clock.
   *
   * @default {0}
   */
  idleTimeout?: number;
  /**
   * Most requests that are kept in `requests`, with at most 64 MiB of data
   * between them. The older half is forgotten when there are more.
   *
   * @default {10_000}
   */
  maxRequests?: number;
}

/** Options without a default. */
type Absent = "path" | "auth" | "tls" | "cluster" | "meta";

/** Options as they were given, checked, with the defaults filled in. */
export type CheckedOptions =
  & Required<Omit<MemcachedServerOptions, Absent>>
  & Readonly<Pick<MemcachedServerOptions, Absent>>;

/** Checks options and fills in the defaults. */
export function checkOptions(options: MemcachedServerOptions): CheckedOptions {
  const checked: CheckedOptions = {
    port: 0,
    hostname: "127.0.0.1",
    now: Date.now,
    maxItemSize: 1024 * 1024,
    memoryLimit: 64 * 1024 * 1024,
    evictions: true,
    version: "1.6.18",
    cas: true,
    flush: true,
    allowShutdown: false,
    maxConnections: 1024,
    idleTimeout: 0,
    maxRequests: 10_000,
    ...Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    ),
  };
  const range = (
    name:
      | "port"
      | "maxItemSize"
      | "memoryLimit"
      | "maxConnections"
      | "idleTimeout"
      | "maxRequests",
    least: number,
    most: number,
  ) => {
    const value = checked[name];
    if (!Number.isSafeInteger(value) || value < least || value > most) {
      throw new MemcacheIllegalInputError(
        `Cannot start server: ${name} is ${value}, ` +
          `a whole number from ${least} to ${most} is needed`,
        { sent: false },
      );
    }
  };
  range("port", 0, 65_535);
  range("maxItemSize", 1024, 2 ** 30);
  range("memoryLimit", 1024, Number.MAX_SAFE_INTEGER);
  range("maxConnections", 1, 1_000_000);
  range("idleTimeout", 0, 2 ** 31 - 1);
  range("maxRequests", 1, 10_000_000);
  return checked;
}

/** The settings of a server that has just been started. */
export function initialSettings(options: CheckedOptions): Settings {
  return {
    version: options.version,
    maxItemSize: options.maxItemSize,
    memoryLimit: options.memoryLimit,
    evictions: options.evictions,
    cas: options.cas,
    knows: knowledgeOf(options.version, options.meta),
    flush: options.flush,
    allowShutdown: options.allowShutdown,
    ...(options.auth === undefined ? {} : { auth: { ...options.auth } }),
    maxConnections: options.maxConnections,
    idleTimeout: Math.ceil(options.idleTimeout / 1000),
    tls: options.tls !== undefined,
    verbosity: 0,
    crawler: true,
    crawlerSleep: 100,
    crawlerItems: 0,
    dumping: false,
    segmented: true,
    tune: [20, 40, "0.20", "2.00"],
    tempTtl: 61,
    tempTtlOn: false,
    automove: 1,
    sizesFrom: -1n,
  };
}
