/**
 * A TCP proxy on loopback that does to connections what networks do: it cuts
 * them at any byte, resets, delays, holds and half-closes them, or refuses new
 * ones. It never drops, changes or reorders a byte of one that goes on: TCP
 * would not.
 *
 * @module
 */
import { once } from "node:events";
import * as net from "node:net";

/** Which way bytes go. */
export type Way = "toServer" | "toClient";

/** One connection through a proxy. */
class Pipe {
  readonly #sockets: Record<Way, net.Socket>;
  readonly #proxy: Proxy;
  /** What has been read and not yet passed on. */
  readonly #kept: Record<Way, Uint8Array[]> = { toServer: [], toClient: [] };
  readonly #ended: Record<Way, boolean> = { toServer: false, toClient: false };
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  /** How many more bytes go through, on the way that is to be cut. */
  #left: { way: Way; bytes: number } | undefined = undefined;
  #open = true;

  constructor(proxy: Proxy, client: net.Socket, server: net.Socket) {
    this.#proxy = proxy;
    this.#sockets = { toServer: server, toClient: client };
    this.#join("toServer", client);
    this.#join("toClient", server);
  }

  /** Lets so many more bytes through on one way, then ends the connection. */
  cut(way: Way, bytes: number): void {
    this.#left = { way, bytes };
    if (bytes === 0) this.destroy();
  }

  /** Ends it by a reset. */
  reset(): void {
    const { toClient, toServer } = this.#sockets;
    this.#over();
    toClient.resetAndDestroy();
    toServer.resetAndDestroy();
  }

  /** Tells one side that there will be nothing more, and listens on. */
  halfClose(way: Way): void {
    this.#sockets[way].end();
  }

  /** Ends it. */
  destroy(): void {
    this.#over();
    this.#sockets.toClient.destroy();
    this.#sockets.toServer.destroy();
  }

  /** Goes on with what was held. */
  release(): void {
    for (const way of ["toServer", "toClient"] as const) this.#pass(way);
  }

  #join(way: Way, from: net.Socket): void {
    from.on("error", () => {});
    from.on("close", () => this.destroy());
    from.on("end", () => {
      this.#ended[way] = true;
      if (this.#kept[way].length === 0) this.#sockets[way].end();
    });
    from.on("data", (bytes: Uint8Array) => {
      if (!this.#open) return;
      this.#kept[way].push(bytes);
      const { delay } = this.#proxy;
      if (delay > 0) this.#later(() => this.#pass(way), delay);
      else this.#pass(way);
    });
  }

  #later(run: () => void, delay: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delay);
    this.#timers.add(timer);
  }

  #pass(way: Way): void {
    const kept = this.#kept[way];
    const to = this.#sockets[way];
    while (this.#open && kept.length > 0 && !this.#proxy.holds) {
      const bytes = kept.shift();
      if (bytes === undefined) break;
      const left = this.#left;
      if (left?.way === way && left.bytes <= bytes.length) {
        // The last bytes do leave; what is behind them never does.
        const last = bytes.subarray(0, left.bytes);
        this.#over();
        this.#sockets[way === "toServer" ? "toClient" : "toServer"].destroy();
        to.end(last, () => to.destroy());
        return;
      }
      if (left?.way === way) left.bytes -= bytes.length;
      to.write(bytes);
    }
    if (this.#open && kept.length === 0 && this.#ended[way]) to.end();
  }

  #over(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#proxy.gone(this);
  }
}

/** A proxy before one server. */
export class Proxy {
  /** Milliseconds that every piece is delayed, each way. */
  delay = 0;
  /** How many connections there were. */
  connections = 0;
  readonly #target: number;
  readonly #server: net.Server;
  readonly #pipes = new Set<Pipe>();
  #port = 0;
  #holds = false;

  private constructor(target: number) {
    this.#target = target;
    this.#server = net.createServer(
      { allowHalfOpen: true, noDelay: true },
      (client) => {
        this.connections++;
        const server = net.connect({
          port: this.#target,
          host: "127.0.0.1",
          allowHalfOpen: true,
          noDelay: true,
        });
        this.#pipes.add(new Pipe(this, client, server));
      },
    );
    this.#server.on("error", () => {});
  }

  /** Starts one before a port of 127.0.0.1. */
  static async start(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await proxy.listen();
    return proxy;
  }

  /** Where it listens, as a client takes it. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  /** The connections that are open. */
  get pipes(): readonly Pipe[] {
    return [...this.#pipes];
  }

  /** Whether everything that comes is kept, and nothing passed on. */
  get holds(): boolean {
    return this.#holds;
  }

  /** Holds everything, as a network does that has lost its way. */
  hold(): void {
    this.#holds = true;
  }

  /** Passes on what was held, and goes on. */
  release(): void {
    this.#holds = false;
    for (const pipe of this.pipes) pipe.release();
  }

  /** Takes connections, at the port that it had before. */
  async listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    // A server that listens on TCP has an address of this kind.
    this.#port = (this.#server.address() as net.AddressInfo).port;
  }

  /** Takes no more connections and ends those that are open. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const pipe of this.pipes) pipe.destroy();
    await closed;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  /** A connection has ended. */
  gone(pipe: Pipe): void {
    this.#pipes.delete(pipe);
  }
}
