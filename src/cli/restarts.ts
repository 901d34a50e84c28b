/**
 * Tells of servers that were started again, or that are there again.
 *
 * @module
 */

import type { Stats } from "../../mod.ts";
import type { Session } from "./session.ts";
import { timeText } from "./text.ts";

/** What tells one run of a server from another. */
interface Life {
  readonly pid: number;
  /** When it was started, in seconds by its clock. */
  readonly since: number;
  readonly uptime: number;
  readonly version: string;
}

function lifeOf(stats: Stats): Life {
  const uptime = Number(stats.uptime);
  return {
    pid: Number(stats.pid),
    since: Number(stats.time) - uptime,
    uptime,
    version: String(stats.version),
  };
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
      const outcome of await this.#session.each((client) => client.stats())
    ) {
      const { server } = outcome;
      if (!("value" in outcome)) {
        lines.push(`${server} cannot be reached at the moment`);
        continue;
      }
      const life = lifeOf(outcome.value);
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
      opened.has(server) ? lifeOf(await client.stats()) : undefined
    );
    const lines = [];
    for (const outcome of outcomes) {
      if (!("value" in outcome) || outcome.value === undefined) continue;
      const { server, value: life } = outcome;
      const before = this.#lives.get(server);
      this.#lives.set(server, life);
      this.#opened.delete(server);
      if (before === undefined) lines.push(`${server} can be reached now`);
      else if (
        before.pid !== life.pid || Math.abs(before.since - life.since) > 2
      ) {
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
