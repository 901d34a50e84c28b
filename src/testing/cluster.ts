/**
 * `config get cluster`: the members of a cluster, as managed memcached tells
 * them (AWS ElastiCache, GCP Memorystore).
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";

/** A server of a cluster, as `config get cluster` tells it. */
export interface ClusterMember {
  /** Its name: visible ASCII without `|`. */
  readonly host: string;
  /**
   * Its address, which may be empty.
   *
   * @default {""}
   */
  readonly ip?: string;
  /** Its port, 1 to 65,535. */
  readonly port: number;
}

/** The members of a cluster, and how often they have changed. */
export interface Cluster {
  /** The members, frozen. */
  readonly members: readonly ClusterMember[];
  /** Starts at 1. */
  readonly version: number;
}

/**
 * Checks and copies members.
 *
 * @throws {MemcacheIllegalInputError} If one could not be told.
 */
export function checkMembers(
  members: readonly ClusterMember[],
): readonly ClusterMember[] {
  return Object.freeze(members.map(({ host, ip = "", port }) => {
    if (!isTold(host) || host === "") {
      refuse("the host must be visible ASCII without |");
    }
    if (!isTold(ip)) refuse("the ip must be visible ASCII without |, or empty");
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      refuse("the port must be a whole number from 1 to 65535");
    }
    return Object.freeze({ host, ip, port });
  }));
}

function isTold(text: unknown): boolean {
  return typeof text === "string" && /^[\x21-\x7b\x7d\x7e]*$/.test(text);
}

function refuse(why: string): never {
  throw new MemcacheIllegalInputError(`Cannot use member of cluster: ${why}`, {
    sent: false,
  });
}

/** A cluster as the data block of a reply has it. */
export function clusterText({ members, version }: Cluster): string {
  const servers = members.map(({ host, ip, port }) => `${host}|${ip}|${port}`);
  return `${version}\n${servers.join(" ")}\n`;
}
