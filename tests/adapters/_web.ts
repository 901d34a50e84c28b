/**
 * Express 4 and 5 on node:http of loopback, for the tests of their middleware:
 * programs over a real memcached, and requests byte by byte as they come.
 *
 * @module
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as open,
  type Server,
  type ServerResponse,
} from "node:http";
import { Buffer } from "node:buffer";
import type { AddressInfo, Socket } from "node:net";
import express5 from "express";
import express4 from "express4";
import { Client, type ClientOptions } from "@x/memcache";
import {
  cacheResponses,
  type CacheResponsesOptions,
} from "@x/memcache/express";
import { type Memcached, withMemcached } from "../_memcached.ts";

/** Calls the next one, or what handles errors. */
export type Next = (error?: unknown) => void;
/** What the tests use of a request of Express. */
export interface Request extends IncomingMessage {
  url: string;
  readonly locale?: string;
}
/** What they use of a response of Express. */
export interface Response extends ServerResponse {
  send(body: unknown): void;
  json(body: unknown): void;
  status(code: number): Response;
  set(headers: Record<string, string>): Response;
  sendFile(path: string, options?: object): void;
  sendStatus(code: number): void;
}
/** A handler, or middleware. */
export type Handler = (
  request: Request,
  response: Response,
  next: Next,
) => unknown;
/** What the tests use of a program of Express. */
export interface App {
  (request: IncomingMessage, response: ServerResponse): void;
  use(...args: unknown[]): void;
  get(path: unknown, ...handlers: Handler[]): void;
  set(name: string, value: unknown): void;
}

/** The versions of Express, by what they are called. */
export const EXPRESSES: ReadonlyArray<
  readonly [name: string, express: () => App]
> = [
  ["Express 5", express5 as unknown as () => App],
  ["Express 4", express4 as unknown as () => App],
];

/** An answer, when it has ended. */
export interface Answered {
  readonly status: number;
  readonly message: string;
  readonly headers: IncomingHttpHeaders;
  readonly trailers: Record<string, string | undefined>;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** A request that is under way. */
export interface Asking {
  /** The answer; rejects if its connection ends before it. */
  readonly answer: Promise<Answered>;
  /** The head of the answer, and the bytes that came so far. */
  readonly begun: Promise<{ readonly headers: IncomingHttpHeaders }>;
  /** Waits until so many bytes of the body are there. */
  received(length: number): Promise<string>;
  /** Hangs up. */
  abort(): void;
}

/** How a page is asked for. */
export interface AskOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

/** Sends a request, on a connection of its own. */
export function send(
  port: number,
  path: string,
  { method = "GET", headers = {} }: AskOptions = {},
): Asking {
  const outgoing = open({
    ...{ host: "127.0.0.1", port, path, method, agent: false },
    headers: { connection: "close", ...headers },
  });
  const chunks: Uint8Array[] = [];
  let told = () => {};
  const begun = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
  });
  const answer = begun.then((incoming) =>
    new Promise<Answered>((resolve, reject) => {
      incoming.on("data", (chunk: Uint8Array) => {
        chunks.push(chunk);
        told();
      });
      incoming.once("error", reject);
      incoming.once("aborted", () => reject(new Error("Aborted")));
      incoming.once("end", () => {
        const bytes = new Uint8Array(Buffer.concat(chunks));
        resolve({
          status: incoming.statusCode ?? 0,
          message: incoming.statusMessage ?? "",
          headers: incoming.headers,
          trailers: incoming.trailers,
          bytes,
          text: new TextDecoder().decode(bytes),
        });
      });
    })
  );
  // Whoever does not look at it does not care.
  answer.catch(() => {});
  begun.catch(() => {});
  outgoing.end();
  return {
    answer,
    begun,
    abort: () => outgoing.destroy(),
    async received(length) {
      await begun;
      while (Buffer.concat(chunks).length < length) {
        await new Promise<void>((resolve) => told = resolve);
      }
      return Buffer.concat(chunks).toString();
    },
  };
}

/** A program that is served. */
export interface Served {
  readonly client: Client;
  readonly port: number;
  /** Sends a request. */
  readonly send: (path: string, options?: AskOptions) => Asking;
  /** Sends a request, and waits for its answer. */
  readonly ask: (path?: string, options?: AskOptions) => Promise<Answered>;
}

/** Serves what answers requests, and hands over what asks it. */
export async function withServer<T>(
  listener: (request: IncomingMessage, response: ServerResponse) => void,
  fn: (port: number) => Promise<T>,
): Promise<T> {
  // Node refuses bodies then where there may be none, as those of a 304.
  const options = { rejectNonStandardBodyWrites: true };
  const server: Server = createServer(options, listener);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    return await fn((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => server.close(done));
  }
}

/** How a program is set up. */
export interface Setup {
  readonly express: () => App;
  readonly options?: CacheResponsesOptions;
  readonly client?: ClientOptions;
  /** What is done before the middleware is used. */
  readonly before?: (app: App) => void;
}

/** Serves a program behind the middleware, over a memcached that there is. */
export async function withApp(
  memcached: Memcached,
  { express, options, client: clientOptions, before }: Setup,
  routes: (app: App) => void,
  fn: (served: Served) => Promise<void>,
): Promise<void> {
  const client = new Client(memcached.server, clientOptions);
  const app = express();
  // It prints no errors then.
  app.set("env", "test");
  before?.(app);
  app.use(cacheResponses(client, options));
  routes(app);
  // Four arguments: that is how Express knows it.
  app.use((error: unknown, _: Request, response: Response, next: Next) => {
    if (response.headersSent) return next(error);
    const message = error instanceof Error ? error.message : String(error);
    response.status(500).send(message);
  });
  try {
    await withServer(app, async (port) => {
      await fn({
        ...{ client, port, send: (path, asked) => send(port, path, asked) },
        ask: (path = "/", asked) => send(port, path, asked).answer,
      });
    });
  } finally {
    await client.close();
  }
}

/** A program over a memcached of its own. */
export async function withProgram(
  setup: Setup,
  routes: (app: App) => void,
  fn: (served: Served & { memcached: Memcached }) => Promise<void>,
): Promise<void> {
  await withMemcached({}, async (memcached) => {
    await withApp(
      memcached,
      setup,
      routes,
      (served) => fn({ ...served, memcached }),
    );
  });
}

/** Something that happens once, and can be waited for. */
export class Signal {
  /** Settles when it has happened. */
  readonly done: Promise<void>;
  /** Lets it happen. */
  set: () => void = () => {};

  /** Makes one that has not happened. */
  constructor() {
    this.done = new Promise((resolve) => this.set = resolve);
  }
}
