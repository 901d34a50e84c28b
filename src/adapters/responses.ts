/**
 * Responses as they are kept: which may be, and their form.
 *
 * A record is a line of JSON (when it was made, its headers) and the bytes of
 * the body.
 *
 * @module
 */

/** What a response has to keep to. */
export interface Rules {
  /** Seconds that it is kept. */
  readonly ttl: number;
  /** Bytes of the largest body. */
  readonly maxBytes: number;
  /** Names of the request headers that are part of the key, in lower case. */
  readonly vary: ReadonlySet<string>;
}

/** A response that was kept. */
export interface Record {
  /** When it was made, in milliseconds. */
  readonly at: number;
  /** Its headers, the ETag among them. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Its body. */
  readonly body: Uint8Array;
}

/** The headers that a 304 has of the response that it stands for. */
const OF_304: readonly string[] = [
  ...["age", "cache-control", "content-location", "date", "etag"],
  ...["expires", "last-modified", "vary"],
];
/** What concerns one connection or one moment, not the response. */
const UNKEPT: readonly string[] = [
  ...["age", "connection", "keep-alive", "transfer-encoding", "content-length"],
];
const NEWLINE = 10;
/** Ten years in seconds, the longest time of `getOrSet`. */
const MAX = 315_360_000;

/** Throws if an option is not a whole number from `min` on. */
export function checkNumber(name: string, value: unknown, min: number): void {
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= MAX) {
    return;
  }
  throw new RangeError(
    `Cannot use ${name}: ${String(value)}, whole numbers from ${min} to ` +
      `${MAX} are allowed`,
  );
}

/** Whether a response may be kept, as far as its headers tell. */
export function isStorable(
  { status, headers, body }: Response,
  { ttl, maxBytes, vary }: Rules,
): boolean {
  if (status !== 200 || body === null || headers.has("set-cookie")) {
    return false;
  }
  if (Number(headers.get("content-length") ?? 0) > maxBytes) return false;
  if (/^text\/event-stream\b/i.test(headers.get("content-type") ?? "")) {
    return false;
  }
  const names = (headers.get("vary") ?? "").split(",")
    .map((name) => name.trim().toLowerCase()).filter((name) => name !== "");
  if (!names.every((name) => vary.has(name))) return false;
  return allows(headers.get("cache-control") ?? "", ttl);
}

/** Whether a Cache-Control lets others keep a response for some seconds. */
function allows(cacheControl: string, ttl: number): boolean {
  if (/\b(?:no-store|no-cache|private)\b/i.test(cacheControl)) return false;
  const [, shared] = /\bs-maxage\s*=\s*"?(\d+)/i.exec(cacheControl) ?? [];
  const [, own] = /(?<![\w-])max-age\s*=\s*"?(\d+)/i.exec(cacheControl) ?? [];
  const limit = shared ?? own;
  return limit === undefined || Number(limit) >= ttl;
}

/** The body of a response; `undefined` if it is larger than allowed. */
export async function readBody(
  response: Response,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      // The other branch goes on: this one need not be waited for.
      reader.cancel().catch(() => {});
      return undefined;
    }
    chunks.push(value);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/** The form in which responses are kept. */
export const Records = {
  /** Makes a record, with an ETag of the body if there is none. */
  async write(
    { headers }: Response,
    body: Uint8Array,
    at: number,
  ): Promise<Uint8Array> {
    const kept = [...headers].filter(([name]) => !UNKEPT.includes(name));
    if (!headers.has("etag")) kept.push(["etag", await etagOf(body)]);
    const line = new TextEncoder().encode(`${JSON.stringify([at, kept])}\n`);
    const bytes = new Uint8Array(line.length + body.length);
    bytes.set(line);
    bytes.set(body, line.length);
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
      new Headers(headers);
      return { at: Number(at), headers, body: bytes.subarray(end + 1) };
    } catch {
      // Somebody else's value, under a key that nobody else should have.
      return undefined;
    }
  },

  /** Answers a request by a record. */
  respond(record: Record, request: Request, now: number): Response {
    const headers = new Headers(record.headers.map(([k, v]) => [k, v]));
    const age = Math.max(0, Math.floor((now - record.at) / 1000));
    headers.set("age", String(age));
    if (matches(request.headers.get("if-none-match"), headers.get("etag"))) {
      for (const name of [...headers.keys()]) {
        if (!OF_304.includes(name)) headers.delete(name);
      }
      return new Response(null, { status: 304, headers });
    }
    headers.set("content-length", String(record.body.length));
    // A copy: the bytes may be those of other requests, too.
    const body = request.method === "HEAD" ? null : record.body.slice();
    return new Response(body, { status: 200, headers });
  },
};

async function etagOf(body: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", body.slice());
  const hex = [...new Uint8Array(digest, 0, 16)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `"${hex}"`;
}

/** Whether an If-None-Match names an ETag; a weak one counts as a strong one. */
function matches(asked: string | null, etag: string | null): boolean {
  if (asked === null || etag === null) return false;
  const bare = (tag: string) => tag.trim().replace(/^W\//, "");
  return asked.trim() === "*" ||
    asked.split(",").map(bare).includes(bare(etag));
}
