/**
 * The reply to `config get cluster`, read.
 *
 * ```text
 * CONFIG cluster 0 <bytes>\r\n
 * <version>\n
 * <host>|<ip>|<port> <host>|<ip>|<port> …\n
 * \r\n
 * END\r\n
 * ```
 *
 * @module
 */

import { parseServer } from "../conn/address.ts";
import { MemcacheUnknownError } from "../errors.ts";

/** A server of a cluster. */
export interface ConfigServer {
  /** Its name, or its address if it has none. */
  readonly host: string;
  /** Its port. */
  readonly port: number;
}

/** What a cluster says of itself. */
export interface ClusterConfig {
  /** Counts the changes. */
  readonly version: number;
  /** The servers, at least one. */
  readonly servers: readonly ConfigServer[];
}

/** Most servers of a cluster. */
const MAX_SERVERS = 1024;

const latin1 = new TextDecoder("latin1");

/** Refuses a reply. */
export function unreadable(
  why: string,
  cause?: unknown,
): MemcacheUnknownError {
  return new MemcacheUnknownError(
    `Cannot read the list of servers: ${why}`,
    { command: "config", sent: true, cause },
  );
}

/**
 * Reads what stands before `END`.
 *
 * @param reply The bytes.
 * @param head How it begins: `CONFIG cluster`, or `VALUE` and a key.
 * @throws {MemcacheUnknownError} If it is anything else.
 */
export function readClusterConfig(
  reply: Uint8Array,
  head: string,
): ClusterConfig {
  const text = latin1.decode(reply);
  const first = text.indexOf("\r\n");
  const line = text.slice(0, Math.max(0, first));
  const numbers = line.startsWith(`${head} `)
    ? /^\d{1,10} (\d{1,9})$/.exec(line.slice(head.length + 1))
    : null;
  if (numbers === null) {
    throw unreadable(`the reply does not begin with ${head}`);
  }
  const body = text.slice(first + 2);
  const length = Number(numbers[1]);
  if (length > body.length || !/^[\r\n]*$/.test(body.slice(length))) {
    throw unreadable(`it is not of the ${length} bytes that it says`);
  }
  const lines = body.slice(0, length).split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  const [version, servers, ...more] = lines;
  if (!/^\d{1,15}$/.test(version ?? "")) {
    throw unreadable("its first line is no version");
  }
  if (servers === undefined || more.length > 0) {
    throw unreadable("it has not one line of servers");
  }
  return { version: Number(version), servers: readServers(servers) };
}

function readServers(line: string): ConfigServer[] {
  const entries = line.split(" ").filter((entry) => entry !== "");
  if (entries.length === 0) throw unreadable("it names no server");
  if (entries.length > MAX_SERVERS) {
    throw unreadable(
      `it names ${entries.length} servers, at most ${MAX_SERVERS} are allowed`,
    );
  }
  const names = new Set<string>();
  return entries.map((entry, index) => {
    const which = `server ${index + 1} of ${entries.length}`;
    const parts = entry.split("|");
    const [host, ip, digits] = parts;
    if (parts.length !== 3 || !/^\d{1,5}$/.test(digits)) {
      throw unreadable(`${which} is not host|ip|port`);
    }
    const server = { host: host === "" ? ip : host, port: Number(digits) };
    let name: string;
    try {
      ({ name } = parseServer(server));
    } catch (error) {
      throw unreadable(`${which} is no address`, error);
    }
    if (names.has(name)) throw unreadable(`${which} is named twice`);
    names.add(name);
    return server;
  });
}
