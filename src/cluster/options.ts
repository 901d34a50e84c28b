/**
 * Options of a client of many servers.
 *
 * @module
 */

import {
  readBoolean,
  readNumber,
  readTimeout,
  refuse,
} from "../client/options.ts";
import {
  type PooledClientOptions,
  readPoolLimits,
} from "../client/pooled_client.ts";
import { HashTags } from "../ring/hash_tags.ts";
import type { Hasher } from "../ring/hasher.ts";
import { RecentKeys } from "../ring/recent_keys.ts";
import { RendezvousHash } from "../ring/rendezvous.ts";
import type { HealthPolicy } from "./health.ts";

/** Options of a {@linkcode HashClient}. Every one may be left out. */
export interface HashClientOptions extends PooledClientOptions {
  /**
   * Maps keys to servers. It must be this client's alone: servers are added to
   * it and removed as they come and go, die and come back.
   *
   * @default {new RecentKeys(new RendezvousHash())}
   */
  hasher?: Hasher;
  /**
   * Two characters, such as `"{}"`: of a key with something between them only
   * that is hashed, so that keys with the same tag are on the same server. If
   * absent, keys are hashed whole.
   */
  hashTags?: string;
  /**
   * Keeps a pool of up to `maxPoolSize` connections for each server, in place
   * of one connection.
   *
   * @default {false}
   */
  usePooling?: boolean;
  /**
   * How many attempts to use a failing server fail before it leaves the ring,
   * an integer from 0 on; 0: it leaves at once.
   *
   * @default {2}
   */
  retryAttempts?: number;
  /**
   * Milliseconds for which commands for a failing server fail at once, before
   * it is tried again. Up to a fifth is added at random, so that many clients
   * do not come back in step. 0: none.
   *
   * @default {1000}
   */
  retryTimeout?: number;
  /**
   * Milliseconds for which a dead server stays out of the ring, up to a tenth
   * more at random. The first command after that takes it back, whatever its
   * key; no timer does.
   *
   * @default {60000}
   */
  deadTimeout?: number;
  /**
   * Sends `delete` and `deleteMany` to every server in the ring, so that no
   * other copy of an item is left from a time when its key had another server.
   *
   * @default {false}
   */
  deleteFromAll?: boolean;
}

/** What a `HashClient` does besides what every client does, checked. */
export interface HashSettings {
  /** Maps keys to servers. */
  readonly hasher: Hasher;
  /** What to do about failures. */
  readonly policy: HealthPolicy;
  /** Whether deletes go to all. */
  readonly deleteFromAll: boolean;
  /** How large each server's pool may be, if there are any. */
  readonly pool: ReturnType<typeof readPoolLimits> | undefined;
}

/**
 * Reads the options that other clients do not have.
 *
 * @throws {MemcacheIllegalInputError} If one of them cannot be used.
 */
export function readHashOptions(options: HashClientOptions): HashSettings {
  const { retryAttempts } = options;
  if (retryAttempts !== undefined && !Number.isInteger(retryAttempts)) {
    return refuse("retryAttempts", retryAttempts, "an integer from 0 on");
  }
  const limits = readPoolLimits(options);
  const usePooling = readBoolean("usePooling", options.usePooling, false);
  return {
    hasher: readHasher(options),
    policy: {
      retryAttempts: readNumber(
        "retryAttempts",
        retryAttempts,
        2,
        0,
        Number.MAX_SAFE_INTEGER,
      ),
      retryTimeout: readTimeout(options.retryTimeout, 1000, "retryTimeout"),
      deadTimeout: readTimeout(options.deadTimeout, 60_000, "deadTimeout"),
      random: Math.random,
    },
    deleteFromAll: readBoolean("deleteFromAll", options.deleteFromAll, false),
    pool: usePooling ? limits : undefined,
  };
}

function readHasher({ hasher, hashTags }: HashClientOptions): Hasher {
  const tagged = (hasher: Hasher): Hasher =>
    hashTags === undefined ? hasher : new HashTags(hasher, hashTags);
  if (hasher === undefined) return new RecentKeys(tagged(new RendezvousHash()));
  const { addNode, removeNode, getNode } = hasher ?? {};
  for (const method of [addNode, removeNode, getNode]) {
    if (typeof method !== "function") {
      return refuse(
        "hasher",
        hasher,
        "an object with addNode, removeNode and getNode",
      );
    }
  }
  return tagged(hasher);
}
