/**
 * What a handler writes to a response of node:http, taken down as it goes by.
 *
 * States: open (the head is not written) → started → ended, or left alone when
 * the response is closed before its end. The page is decided on at the earliest
 * moment: that it is not kept with its head, or with a body that gets too large;
 * what it is at its end.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { etagOf, isCurrent, isOf304, Records } from "./records.ts";
import { CONDITIONS, isStorable, type Rules } from "./responses.ts";

/** What is used of a request of node:http, and of Express where it is one. */
export interface HttpRequest {
  /** Its method. */
  readonly method?: string | undefined;
  /** Its address, as far as it is left for this middleware. */
  readonly url?: string | undefined;
  /** Its address, as it was asked for. */
  readonly originalUrl?: string | undefined;
  /** "http" or "https", as Express sees it behind its proxies. */
  readonly protocol?: string | undefined;
  /** The path that this middleware is mounted at. */
  readonly baseUrl?: string | undefined;
  /** Its headers, by names in lower case. */
  readonly headers: { [name: string]: string | string[] | undefined };
  /** Its connection. */
  readonly socket: object;
}

/** What is used of a response of node:http. */
export interface HttpResponse {
  /** The status that is written unless another is given. */
  statusCode: number;
  /** Whether the head is written. */
  readonly headersSent: boolean;
  /** Whether its end was written. */
  readonly writableEnded: boolean;
  /** Whether it is closed. */
  readonly destroyed: boolean;
  /**
   * Reads a header.
   *
   * @param name Its name.
   * @returns Its value.
   */
  getHeader(name: string): number | string | string[] | undefined;
  /**
   * Lists the names of the headers.
   *
   * @returns The names.
   */
  getHeaderNames(): string[];
  /**
   * Sets a header.
   *
   * @param name Its name.
   * @param value Its value.
   * @returns Nothing that is used.
   */
  setHeader(name: string, value: string | readonly string[]): unknown;
  /**
   * Removes a header.
   *
   * @param name Its name.
   */
  removeHeader(name: string): void;
  /**
   * Writes the head.
   *
   * @param args The status, and more.
   * @returns Nothing that is used.
   */
  writeHead(...args: never[]): unknown;
  /**
   * Writes a piece of the body.
   *
   * @param args The piece, and more.
   * @returns Whether there is room for more.
   */
  write(...args: never[]): boolean;
  /**
   * Ends the response.
   *
   * @returns Nothing that is used.
   */
  end(): unknown;
  /**
   * Ends the response.
   *
   * @param body What is written before.
   * @returns Nothing that is used.
   */
  end(body: Uint8Array): unknown;
  /**
   * Adds headers behind the body.
   *
   * @param headers The headers.
   */
  addTrailers(headers: never): void;
  /**
   * Listens to its end.
   *
   * @param event The event.
   * @param listener What is called.
   * @returns Nothing that is used.
   */
  once(event: "close", listener: () => void): unknown;
}

/** The response ended before its page did: another request may make it. */
export class Abandoned extends Error {
  /** Makes an error. */
  constructor() {
    super("Cannot make page: its response was closed before its end");
    this.name = "Abandoned";
  }
}

type Method = (this: HttpResponse, ...args: unknown[]) => unknown;

/** The methods of a response that write, as they were. */
interface Methods {
  readonly writeHead: Method;
  readonly write: Method;
  readonly end: Method;
  readonly addTrailers: Method;
}

/** The head of a page that may be kept. */
interface Head {
  /** When it was written, in milliseconds. */
  readonly at: number;
  readonly headers: Headers;
}

/** Takes down what is written to one response. */
export class Capture {
  /** The record of the page; `undefined` for one that is not kept. */
  readonly page: Promise<Uint8Array | undefined>;

  readonly #response: HttpResponse;
  readonly #methods: Methods;
  readonly #rules: Rules;
  readonly #isRefresh: boolean;
  /** The headers that were there before: each request has its own. */
  readonly #before: ReadonlyMap<string, string>;
  /** What the request has asked on, which the handler does not see. */
  readonly #hidden: Hidden;
  #resolve: (page: Uint8Array | undefined) => void = () => {};
  #reject: (error: Error) => void = () => {};
  /** Whether the page may still be kept. */
  #isOpen = true;
  #isStarted = false;
  #isEnded = false;
  /** Whether the client has the page: the body is for the record alone. */
  #isCurrent = false;
  #head: Head | undefined = undefined;
  /** The length that the handler has stated, before anybody changed it. */
  #stated: string | undefined = undefined;
  #chunks: Uint8Array[] = [];
  #length = 0;
  /** The body, if it is known when the head is written before it. */
  #whole: Uint8Array | undefined = undefined;

  /** Begins. */
  constructor(
    request: HttpRequest,
    response: HttpResponse,
    rules: Rules,
    isRefresh: boolean,
  ) {
    this.#response = response;
    this.#rules = rules;
    this.#isRefresh = isRefresh;
    this.#before = headersOf(response);
    this.#hidden = hide(request);
    this.page = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // There may be nobody left to be told.
    this.page.catch(() => {});
    // They are called with the arguments that they were given, or with fewer.
    const { writeHead, write, end, addTrailers } =
      response as unknown as Methods;
    this.#methods = { writeHead, write, end, addTrailers };
    const taken: { [name in keyof Methods]: (...args: unknown[]) => unknown } =
      {
        writeHead: (...args) => this.#writeHead(args),
        write: (...args) => this.#write(args),
        end: (...args) => this.#end(args),
        addTrailers: (...args) => {
          this.#drop();
          return addTrailers.apply(response, args);
        },
      };
    Object.assign(response, taken);
    response.once("close", () => this.#close());
  }

  #writeHead(args: unknown[]): unknown {
    const response = this.#response;
    const { writeHead } = this.#methods;
    if (this.#isStarted) return writeHead.apply(response, args);
    const [status, reason] = args;
    const hasReason = typeof reason === "string";
    setHeaders(response, args[2] ?? (hasReason ? undefined : reason));
    this.#look();
    this.#decide(Number(status));
    const [code, message] = this.#isCurrent
      ? [304, "Not Modified"]
      : [status, reason];
    // HTTP/2 has no messages, and warns of them.
    const result = writeHead.apply(
      response,
      hasReason ? [code, message] : [code],
    );
    this.#isStarted = true;
    // One that was set before, or now by who was here before, is for one client.
    if (response.getHeader("set-cookie") !== undefined) this.#drop();
    this.#finish();
    return result;
  }

  /** Sees whether the page is kept, and whether the client has it. */
  #decide(status: number): void {
    const response = this.#response;
    this.#hidden.restore();
    const all = headersOf(response);
    const headers = webHeaders(all);
    const isKept = this.#isOpen && headers !== undefined &&
      isStorable(status, headers, this.#rules);
    if (isKept && this.#isEnded && !headers.has("etag")) {
      const etag = etagOf(this.#chunks);
      headers.set("etag", etag);
      response.setHeader("etag", etag);
    }
    if (isKept) {
      const own = this.#own(headers);
      own.delete("content-length");
      if (this.#stated !== undefined) own.set("content-length", this.#stated);
      this.#head = { at: Date.now(), headers: own };
    } else if (this.#isRefresh && status >= 500) {
      const said = `Cannot make page anew: its handler answered ${status}`;
      this.#fail(new Error(said));
    } else this.#drop();
    this.#isCurrent = status === 200 && headers !== undefined &&
      isCurrent(this.#hidden.asked, headers);
    if (this.#isCurrent) {
      for (const name of this.#own(headers ?? new Headers()).keys()) {
        if (!isOf304(name) && name !== "set-cookie") {
          response.removeHeader(name);
        }
      }
    } else if (this.#whole !== undefined && hasLength(status, all)) {
      response.setHeader("content-length", String(this.#whole.length));
    }
  }

  /** Those headers that were set since the page was begun. */
  #own(headers: Headers): Headers {
    const own = new Headers(headers);
    for (const [name, value] of this.#before) {
      if (headers.get(name) === value) own.delete(name);
    }
    return own;
  }

  /** Remembers what is said of the length when the first of it is written. */
  #look(): void {
    if (this.#isStarted || this.#isEnded || this.#length > 0) return;
    const length = this.#response.getHeader("content-length");
    this.#stated = length === undefined ? undefined : String(length);
  }

  #write(args: unknown[]): unknown {
    const response = this.#response;
    this.#look();
    if (isChunk(args)) this.#start();
    if (this.#isCurrent) {
      this.#take(args);
      const callback = args.find((arg) => typeof arg === "function");
      if (callback !== undefined) queueMicrotask(() => callback());
      return true;
    }
    const hasRoom = this.#methods.write.apply(response, args);
    this.#take(args);
    // What is kept is in memory anyway: others do not wait for a slow client.
    return this.#isOpen || hasRoom;
  }

  #end(args: unknown[]): unknown {
    const { end } = this.#methods;
    const body = bytesOf(args);
    // What cannot be written is for the response to refuse.
    if (this.#isEnded || body === undefined) {
      return end.apply(this.#response, args);
    }
    this.#look();
    this.#take(args);
    this.#isEnded = true;
    this.#start(body);
    const rest = args.filter((arg) => typeof arg === "function");
    const result = end.apply(this.#response, this.#isCurrent ? rest : args);
    this.#finish();
    return result;
  }

  /**
   * Writes the head before a body that the client has. Any other is written with
   * its body, by those who were here before: they may change both.
   */
  #start(whole?: Uint8Array): void {
    if (this.#isStarted || this.#hidden.asked.size === 0) return;
    const response = this.#response as unknown as Methods & HttpResponse;
    const headers = headersOf(response);
    if (whole !== undefined && !headers.has("etag")) {
      headers.set("etag", etagOf([whole]));
    }
    if (!isCurrent(this.#hidden.asked, headers)) return;
    this.#whole = whole;
    response.writeHead(response.statusCode);
  }

  #take(args: unknown[]): void {
    if (!this.#isOpen || this.#isEnded) return;
    const bytes = bytesOf(args);
    if (bytes === undefined) return this.#drop();
    this.#length += bytes.length;
    if (this.#length > this.#rules.maxBytes) return this.#drop();
    // A copy: a handler may fill its buffer again once it is written.
    if (bytes.length > 0) this.#chunks.push(new Uint8Array(bytes));
  }

  /** Makes the record, once there are a head and an end. */
  #finish(): void {
    if (this.#head === undefined || !this.#isEnded || !this.#isStarted) return;
    const { at, headers } = this.#head;
    this.#resolve(Records.write(headers, this.#chunks, at));
    this.#drop();
  }

  /** Does not keep the page. */
  #drop(): void {
    this.#isOpen = false;
    this.#head = undefined;
    this.#chunks = [];
    this.#resolve(undefined);
  }

  #fail(error: Error): void {
    this.#reject(error);
    this.#drop();
  }

  /** Nothing comes any more: a page that was kept before is kept. */
  #close(): void {
    this.#hidden.restore();
    this.#fail(new Abandoned());
  }
}

/** What was taken from a request. */
interface Hidden {
  /** The headers, by names in lower case. */
  readonly asked: ReadonlyMap<string, string>;
  /** Gives them back. */
  restore(): void;
}

/** Takes from a request what it asks a page on. */
function hide({ headers }: HttpRequest): Hidden {
  const taken = CONDITIONS.map((name) => [name, headers[name]] as const)
    .filter(([, value]) => value !== undefined);
  for (const [name] of taken) delete headers[name];
  return {
    asked: new Map(taken.map(([name, value]) => [name, String(value)])),
    restore() {
      for (const [name, value] of taken.splice(0)) headers[name] = value;
    },
  };
}

/** The headers that are set, as texts, by names in lower case. */
function headersOf(response: HttpResponse): Map<string, string> {
  return new Map(
    response.getHeaderNames().map((name) => {
      const value = response.getHeader(name);
      const text = Array.isArray(value) ? value.join(", ") : String(value);
      return [name.toLowerCase(), text.trim()];
    }),
  );
}

/** Headers as they are kept; `undefined` where they cannot be. */
function webHeaders(headers: Map<string, string>): Headers | undefined {
  try {
    return new Headers([...headers]);
  } catch {
    return undefined;
  }
}

/** Sets the headers of `writeHead`: an object, a list, or a list of pairs. */
function setHeaders(response: HttpResponse, headers: unknown): void {
  if (typeof headers !== "object" || headers === null) return;
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) {
      if (name !== "") response.setHeader(name, value);
    }
    return;
  }
  const flat: unknown[] = headers.flat();
  const lists = new Map<string, [name: string, values: string[]]>();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = String(flat[i]);
    const list = lists.get(name.toLowerCase()) ?? [name, []];
    list[1].push(String(flat[i + 1]));
    lists.set(name.toLowerCase(), list);
  }
  for (const [name, values] of lists.values()) {
    response.setHeader(name, values.length === 1 ? values[0] : values);
  }
}

/** Whether an answer needs a length, as its head says nothing of one. */
function hasLength(status: number, headers: Map<string, string>): boolean {
  return status >= 200 && status !== 204 && status !== 304 &&
    !["content-length", "transfer-encoding", "trailer"]
      .some((name) => headers.has(name));
}

/** Whether `write` takes what it is given: `end` alone takes nothing, too. */
function isChunk(args: unknown[]): boolean {
  const [chunk] = args;
  return (typeof chunk === "string" || chunk instanceof Uint8Array) &&
    bytesOf(args) !== undefined;
}

/** The bytes of what `write` and `end` are given; `undefined` if it is wrong. */
function bytesOf([chunk, encoding]: unknown[]): Uint8Array | undefined {
  if (chunk instanceof Uint8Array) return chunk;
  if (chunk === undefined || chunk === null || typeof chunk === "function") {
    return new Uint8Array();
  }
  if (typeof chunk !== "string") return undefined;
  if (typeof encoding !== "string") return Buffer.from(chunk);
  if (!Buffer.isEncoding(encoding)) return undefined;
  return Buffer.from(chunk, encoding);
}
