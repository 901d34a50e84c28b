/**
 * The form in which responses are kept, and the answers made of it.
 *
 * A record is a line of JSON (when it was made, its headers) and the bytes of
 * the body.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { ageOf, type Asked } from "./responses.ts";

/** A response that was kept. */
export interface Record {
  /** When it was made, in milliseconds. */
  readonly at: number;
  /** Its headers, ETag and Date among them. */
  readonly headers: Headers;
  /** Its body. */
  readonly body: Uint8Array;
}

/** What is answered to a request. */
export interface Answer {
  /** 200, or 304 where the client has the response already. */
  readonly status: 200 | 304;
  /** The headers. */
  readonly headers: Headers;
  /** The body; `undefined` where the request or the status has none. */
  readonly body: Uint8Array | undefined;
}

/** Headers, by names in lower case. */
interface Readable {
  get(name: string): string | null | undefined;
}

/** The headers that a 304 has of the response that it stands for. */
const OF_304: ReadonlySet<string> = new Set([
  ...["age", "cache-control", "content-location", "date", "etag"],
  ...["expires", "last-modified", "vary"],
]);
/** What concerns one connection or one moment (RFC 9111, 3.1). */
const UNKEPT: ReadonlySet<string> = new Set([
  ...["age", "connection", "keep-alive", "transfer-encoding"],
  ...["content-length", "te", "upgrade", "proxy-connection"],
  ...["proxy-authenticate", "proxy-authentication-info"],
]);
const NEWLINE = 10;

/** The form in which responses are kept. */
export const Records = {
  /**
   * Makes a record, with an ETag of the body if there is none; `undefined` if
   * the body is not as long as its headers say.
   */
  write(
    headers: Headers,
    chunks: readonly Uint8Array[],
    at: number,
  ): Uint8Array | undefined {
    const length = chunks.reduce((sum, { length }) => sum + length, 0);
    const stated = headers.get("content-length");
    if (stated !== null && Number(stated) !== length) return undefined;
    const named = (headers.get("connection") ?? "").toLowerCase();
    const dropped = new Set(named.split(",").map((name) => name.trim()));
    const kept = [...headers].filter(([name]) =>
      !UNKEPT.has(name) && !dropped.has(name)
    );
    if (!headers.has("etag")) kept.push(["etag", etagOf(chunks)]);
    if (!headers.has("date")) kept.push(["date", new Date(at).toUTCString()]);
    const from = at - ageOf(headers) * 1000;
    const line = new TextEncoder().encode(`${JSON.stringify([from, kept])}\n`);
    const bytes = new Uint8Array(line.length + length);
    bytes.set(line);
    let end = line.length;
    for (const chunk of chunks) {
      bytes.set(chunk, end);
      end += chunk.length;
    }
    return bytes;
  },

  /** Reads a record; `undefined` for what is none. */
  read(bytes: unknown): Record | undefined {
    if (!(bytes instanceof Uint8Array)) return undefined;
    const end = bytes.indexOf(NEWLINE);
    if (end < 0) return undefined;
    try {
      const line = new TextDecoder().decode(bytes.subarray(0, end));
      const [at, headers] = JSON.parse(line);
      if (!Number.isFinite(at)) return undefined;
      const body = bytes.subarray(end + 1);
      return { at, headers: new Headers(headers), body };
    } catch {
      // Somebody else's value, under a key that nobody else should have.
      return undefined;
    }
  },

  /** Answers a request by a record that was kept; the record is used up. */
  answer(record: Record, asked: Asked, now: number): Answer {
    const age = Math.max(0, Math.floor((now - record.at) / 1000));
    return Records.own(record, asked, String(age));
  },

  /** Answers the request that the record was made for; `age` as the page's. */
  own({ headers, body }: Record, asked: Asked, age?: string | null): Answer {
    if (age) headers.set("age", age);
    if (isCurrent({ get: asked.header }, headers)) {
      for (const name of [...headers.keys()]) {
        if (!isOf304(name)) headers.delete(name);
      }
      return { status: 304, headers, body: undefined };
    }
    headers.set("content-length", String(body.length));
    const isHead = asked.method === "HEAD";
    return { status: 200, headers, body: isHead ? undefined : body };
  },
};

/**
 * An ETag for a body. A weak one: whoever compresses answers on their way does
 * not make it another one.
 */
export function etagOf(chunks: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const chunk of chunks) hash.update(chunk);
  return `W/"${hash.digest("hex").slice(0, 32)}"`;
}

/** Whether a 304 has a header of the response that it stands for. */
export function isOf304(name: string): boolean {
  return OF_304.has(name);
}

/**
 * Whether a client has a response already (RFC 9110, 13.2.2): `If-None-Match`
 * goes before `If-Modified-Since`, and a weak ETag counts as a strong one.
 */
export function isCurrent(asked: Readable, headers: Readable): boolean {
  const tags = asked.get("if-none-match") ?? undefined;
  if (tags !== undefined) {
    if (tags.trim() === "*") return true;
    const etag = bare(headers.get("etag") ?? "");
    return etag !== "" &&
      (tags.match(/(?:W\/)?"[^"]*"/g) ?? []).some((tag) => bare(tag) === etag);
  }
  const since = Date.parse(asked.get("if-modified-since") ?? "");
  // What is no date compares as false.
  return Date.parse(headers.get("last-modified") ?? "") <= since;
}

function bare(tag: string): string {
  return tag.trim().replace(/^W\//, "");
}
