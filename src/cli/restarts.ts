/**
 * Tells of servers that were started again, or that are there again.
 *
 * @module
 */

import type { Client } from "../../mod.ts";
import type { Session } from "./session.ts";
import { timeText } from "./text.ts";

/** What tells one run of a server from another. */
export interface Life {
  readonly pid: number;
  /** When it was started, in seconds by its clock. */
  readonly since: number;
  readonly uptime: number;
  readonly version: string;
}

/** Asks a server for its life. */
export async function lifeOf(client: Client): Promise<Life> {
  const stats = await client.stats();
  const uptime = Number(stats.uptime);
  return {
    pid: Number(stats.pid),
    since: Number(stats.time) - uptime,
    uptime,
    version: String(stats.version),
  };
}

/** Whether a server has not been restarted: clocks round. */
export function isSameLife(one: Life, other: Life): boolean {
  return one.pid === other.pid && Math.abs(one.since - other.since) <= 2;
}

/** Compares what servers say of themselves after every new connection. */
export class Restarts {
  readonly #session: Session;
  readonly #lives: Map<string, Life> = new Map();
  readonly #opened: Set<string> = new Set();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Asks all servers, and says what they are. */
  async begin(): Promise<string[]> {
    const lines = [];
    for (
      const outcome of await this.#session.each(lifeOf)
    ) {
      const { server } = outcome;
      if (!("value" in outcome)) {
        lines.push(`${server} cannot be reached at the moment`);
        continue;
      }
      const life = outcome.value;
      this.#lives.set(server, life);
      lines.push(
        `${server} is memcached ${life.version}, up ${timeText(life.uptime)}`,
      );
    }
    this.#session.onOpen = ({ name }) => this.#opened.add(name);
    return lines;
  }

  /** Asks the servers that have got a new connection since. */
  async check(): Promise<string[]> {
    if (this.#opened.size === 0) return [];
    const opened = new Set(this.#opened);
    this.#opened.clear();
    const outcomes = await this.#session.each(async (client, server) =>
      opened.has(server) ? await lifeOf(client) : undefined
    );
    const lines = [];
    for (const outcome of outcomes) {
      if (!("value" in outcome) || outcome.value === undefined) continue;
      const { server, value: life } = outcome;
      const before = this.#lives.get(server);
      this.#lives.set(server, life);
      this.#opened.delete(server);
      if (before === undefined) lines.push(`${server} can be reached now`);
      else if (!isSameLife(before, life)) {
        lines.push(
          `${server} was restarted ${
            timeText(life.uptime)
          } ago: its items are gone`,
        );
      }
    }
    return lines;
  }
}
