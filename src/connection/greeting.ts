/**
 * What is known of the server at the other end of a link: whether it speaks the
 * meta protocol, and its version. Both are asked for once, when they are needed.
 *
 * @module
 */

import type { MemcacheError } from "../errors.ts";
import { isSince, isVersion, type Version } from "../wire/version.ts";
import { asMemcacheError, noMetaError } from "./failures.ts";
import { ProbeCommand, VersionQuery } from "./handshake.ts";
import type { LinkOptions, Speaks } from "./options.ts";
import type { Request } from "./request.ts";

/**
 * The first version whose meta commands are as they are today: before, the line
 * of `ms` was another one, and a value would be run as a command.
 */
const STABLE: Version = [1, 6, 10];

/**
 * As many connections may end over the question for the version, one after
 * another, before one is opened that does not ask.
 */
const MAX_UNTOLD = 2;

/** What one link knows of its server. */
export class Greeting {
  /** What the server speaks. */
  speaks: Speaks;
  /** Whether the server has been asked what it speaks, or need not be. */
  isSaid: boolean;
  /** Whether it answered the probe, and does not know it. */
  isRefused = false;
  /** Whether it is asked at all, which some do not bear. */
  readonly probes: boolean;

  readonly #options: LinkOptions;
  readonly #drop: (error: MemcacheError) => void;
  #version: string | undefined = undefined;
  #isVersionAsked = false;
  #isOld = false;

  /** Takes the options of the link, and how to end it. */
  constructor(options: LinkOptions, drop: (error: MemcacheError) => void) {
    this.#options = options;
    this.#drop = drop;
    this.speaks = options.speaks;
    this.isSaid = options.speaks === "classic";
    this.probes = options.speaks === "unknown";
    const { pulse } = options;
    if (pulse.untold < MAX_UNTOLD) return;
    // The next one asks again: the server may have been replaced.
    pulse.untold = MAX_UNTOLD - 1;
    this.#version = "";
  }

  /** The server's version, once it is known; empty if it does not tell. */
  get version(): string | undefined {
    return this.#version;
  }

  /**
   * Whether a request goes as a meta command. What needs the version does so
   * only where meta commands are as they are today: 1.6.10 and later, and
   * whatever does not tell.
   */
  isMeta(request: Request): boolean {
    return this.speaks === "meta" && !(this.#isOld && request.needsVersion);
  }

  /** Whether a request has to wait for what is not known yet. */
  delays(request: Request): boolean {
    if (request.settled) return false;
    return this.speaks === "unknown" ||
      request.needsVersion && this.speaks === "meta" &&
        this.#version === undefined;
  }

  /** What to ask for the sake of a request that waits, unless it has been. */
  question(request: Request): ProbeCommand | VersionQuery | undefined {
    if (!this.isSaid) return this.probe();
    if (
      !request.needsVersion || this.#isVersionAsked || this.speaks !== "meta"
    ) return undefined;
    this.#isVersionAsked = true;
    const query = new VersionQuery();
    const { pulse } = this.#options;
    query.request.callback((version) => {
      // It resolves with what the server said.
      const told = version as string;
      this.#version = told;
      this.#isOld = isVersion(told) && !isSince(told, STABLE);
      pulse.untold = 0;
    }, (error) => {
      pulse.untold++;
      this.#drop(asMemcacheError(error));
    });
    return query;
  }

  /** Asks what the server speaks. */
  probe(): ProbeCommand {
    this.isSaid = true;
    const { server, insistsOnMeta } = this.#options;
    const probe = new ProbeCommand();
    probe.request.callback((meta) => {
      if (meta !== true && insistsOnMeta) this.#drop(noMetaError(server));
      else {
        this.isRefused = meta !== true;
        this.speaks = meta === true ? "meta" : "classic";
      }
    }, (error) => this.#drop(asMemcacheError(error)));
    return probe;
  }
}
