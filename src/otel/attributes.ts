/**
 * The words of OpenTelemetry's semantic conventions for database clients,
 * version 1.45, as far as they say something of memcached.
 *
 * @module
 */

import type { Attributes } from "@opentelemetry/api";
import type { ServerPlace } from "../telemetry/channels.ts";

/** The port that is not named, as it is the usual one. */
const DEFAULT_PORT = 11211;

/** The bounds that the conventions advise for durations, in seconds. */
export const BOUNDS: readonly number[] = [
  ...[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
];

/** A server as the target of an operation. */
export function targetOf({ host, port, path }: ServerPlace): string {
  if (host === undefined) return path ?? "";
  if (port === undefined || port === DEFAULT_PORT) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What tells of a server. */
export function serverAttributes(
  { host, port, path }: ServerPlace,
): Attributes {
  if (host === undefined) {
    return path === undefined
      ? {}
      : { "server.address": path, "network.transport": "unix" };
  }
  return port === undefined || port === DEFAULT_PORT
    ? { "server.address": host }
    : { "server.address": host, "server.port": port };
}

/** What tells of an operation, on spans and in metrics. */
export function operationAttributes(
  operation: string,
  place: ServerPlace,
): Attributes {
  return {
    "db.system.name": "memcached",
    "db.operation.name": operation,
    ...serverAttributes(place),
  };
}

/** The error lines of protocol.txt, by the codes that are made of them. */
const STATUS: ReadonlyMap<string, string> = new Map([
  ["ERR_UNKNOWN_COMMAND", "ERROR"],
  ["ERR_TOO_MANY_CONNECTIONS", "ERROR"],
  ["ERR_CLIENT", "CLIENT_ERROR"],
  ["ERR_AUTH", "CLIENT_ERROR"],
  ["ERR_NON_NUMERIC", "CLIENT_ERROR"],
  ["ERR_SERVER", "SERVER_ERROR"],
  ["ERR_VALUE_REFUSED", "SERVER_ERROR"],
]);

/** What tells of a failure. */
export function errorAttributes(error: unknown): Attributes {
  const type = errorType(error);
  const status = STATUS.get(type);
  // What was not sent was not refused by the server.
  return status === undefined || Reflect.get(Object(error), "sent") === false
    ? { "error.type": type }
    : { "error.type": type, "db.response.status_code": status };
}

/** The code of an error if it has one, else its name. */
function errorType(error: unknown): string {
  if (!(error instanceof Error)) return "_OTHER";
  const code: unknown = Reflect.get(error, "code");
  if (typeof code === "string") return code;
  return error.name;
}
