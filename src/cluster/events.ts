/**
 * What a cluster tells of its servers while it runs.
 *
 * @module
 */

import type { MemcacheError } from "../errors.ts";

/** The names of the events of {@linkcode ServerEvents}. */
export type ServerEventType =
  | "serverfailing"
  | "serverdead"
  | "serverback"
  | "connectionopened"
  | "connectionlost";

/**
 * Something that has happened to a server of a `HashClient`.
 *
 * @example
 * ```ts
 * import { HashClient, type ServerEvent } from "@x/memcache";
 *
 * const client = new HashClient(["10.0.0.1", "10.0.0.2"]);
 * const tell = ({ server, error }: ServerEvent) =>
 *   console.warn(`${server} is out of the ring: ${error?.message}`);
 * client.events.addEventListener("serverdead", tell);
 * await client.close();
 * ```
 */
export class ServerEvent extends Event {
  /** What has happened. */
  declare readonly type: ServerEventType;
  /** Name of the server: `host:port` or the path of its socket. */
  readonly server: string;
  /** Why, where something has failed and the reason is known. */
  readonly error: MemcacheError | undefined;

  /** Makes an event about a server. */
  constructor(type: ServerEventType, server: string, error?: MemcacheError) {
    super(type);
    this.server = server;
    this.error = error;
  }
}

/**
 * The events of a `HashClient`, on a plain `EventTarget`. Each is a
 * {@linkcode ServerEvent}.
 *
 * | event | says |
 * | --- | --- |
 * | `serverfailing` | the server has failed, and commands for it fail at once until it is tried again |
 * | `serverdead` | it has failed in all of these, and is out of the ring: its keys belong to others |
 * | `serverback` | it answers again; or it was dead, and the first command after its time out of the ring has given it its keys back |
 * | `connectionopened` | a connection to it is open |
 * | `connectionlost` | a connection was lost that the client did not close itself |
 *
 * Listeners are called a microtask after the fact, in its order. What one
 * throws is the runtime's to report, as of any `EventTarget`.
 */
export interface ServerEvents extends EventTarget {
  /**
   * Adds a listener for one of the events.
   *
   * @param type The name of the event.
   * @param listener Called with each {@linkcode ServerEvent}.
   * @param options As of any `EventTarget`: `once`, `signal`, …
   */
  addEventListener(
    type: ServerEventType,
    listener: (event: ServerEvent) => void,
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  /** Adds a listener for any other event, of your own making. */
  addEventListener(
    type: string,
    listener: Parameters<EventTarget["addEventListener"]>[1],
    options?: Parameters<EventTarget["addEventListener"]>[2],
  ): void;
  /**
   * Removes a listener.
   *
   * @param type The name of the event.
   * @param listener The listener as it was added.
   * @param options As of any `EventTarget`.
   */
  removeEventListener(
    type: ServerEventType,
    listener: (event: ServerEvent) => void,
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void;
  /** Removes a listener of any other event. */
  removeEventListener(
    type: string,
    listener: Parameters<EventTarget["addEventListener"]>[1],
    options?: Parameters<EventTarget["removeEventListener"]>[2],
  ): void;
}

/** Tells listeners, once there are any. */
export class Announcer {
  #events: EventTarget | undefined = undefined;

  /** Where listeners are added. */
  get events(): ServerEvents {
    // The listeners that it is given are called with the events named there,
    // of which all are ours.
    return (this.#events ??= new EventTarget()) as ServerEvents;
  }

  /** Announces an event. Costs nothing where nobody has asked for events. */
  tell(type: ServerEventType, server: string, error?: MemcacheError): void {
    const events = this.#events;
    if (events === undefined) return;
    const event = new ServerEvent(type, server, error);
    // Not from within a connection that is busy with its own affairs.
    queueMicrotask(() => events.dispatchEvent(event));
  }
}
