/**
 * The floors below a cluster, as far as it has to know them: what leads to one
 * server, and what is told of it.
 *
 * @module
 */

import type { ServerAddress } from "../conn/conn.ts";
import { Connection } from "../connection/connection.ts";
import type { Lane } from "../connection/lane.ts";
import type { Request } from "../connection/request.ts";
import type { Watch } from "../connection/watch.ts";
import { Pool, type PoolLimits } from "../pool/pool.ts";
import { keyFault } from "../wire/key.ts";
import type { Context } from "./context.ts";
import { type ClientOptions, readConnection } from "./options.ts";
import { HasCommand, OWN_READS } from "./requests/fetch.ts";

export { Alarm, now } from "../connection/alarm.ts";
export { closedError } from "../connection/failures.ts";
export type { Lane } from "../connection/lane.ts";
export type { ConnectionOptions } from "../connection/options.ts";
export type { Request } from "../connection/request.ts";
export type { Loss, Watch } from "../connection/watch.ts";
export type { ServerAddress } from "../conn/conn.ts";
export type {
  Stats,
  StatsConns,
  StatsItems,
  StatsSizes,
  StatsSlabs,
} from "../wire/stats.ts";

/**
 * Makes the way to a server; nothing is opened yet.
 *
 * @param address Where it is.
 * @param options Those of the connections.
 * @param context What the client's requests have in common.
 * @param pool How large a pool may be; one connection if absent.
 * @param watch Is told what happens to the connections.
 * @returns One connection, or a pool.
 * @throws {MemcacheIllegalInputError} If an option cannot be used for it.
 */
export function openLane(
  address: ServerAddress,
  options: ClientOptions,
  context: Context,
  pool: PoolLimits | undefined,
  watch: Watch,
): Lane {
  const settings = { ...readConnection(address, options, context), watch };
  return pool === undefined
    ? new Connection(settings)
    : new Pool(settings, pool);
}

/** How long a probe may take where commands have no timeout, in ms. */
const PROBE_TIMEOUT = 1000;

/**
 * Makes a request that any server and any proxy answers, that changes nothing,
 * and that nobody but its maker is told of.
 */
export function probeRequest(context: Context): Request {
  const { keyPrefix, allowUnicodeKeys, timeout } = context;
  const name = `${keyPrefix}probe`;
  const isKey = keyFault(name, allowUnicodeKeys) === undefined;
  const { request } = new HasCommand(
    "get",
    { ...context, errorsAsMisses: false, onError: undefined },
    name,
    isKey ? name : keyPrefix,
    undefined,
    OWN_READS,
  );
  request.limit(undefined, timeout || PROBE_TIMEOUT);
  return request;
}
