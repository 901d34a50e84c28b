/**
 * Trials of calls, before any version is known: what is refused, or needs no
 * server, is not to cost a question to one.
 *
 * @module
 */

import type { Request } from "../../connection/request.ts";
import { FROM_VIEW, UNKEPT, type ViewSerde } from "../../serde/serde.ts";
import type { Way } from "../executor.ts";
import { ViewExecutor } from "./view_executor.ts";

/** Tells that a call would have sent something. */
export class WouldSend extends Error {}

/** Stores nothing of any value, and does not look at it. */
export const NO_SERDE: ViewSerde = {
  serialize: () => ({ data: "", flags: 0 }),
  deserialize: () => undefined,
  [UNKEPT]: -1,
  [FROM_VIEW]: () => undefined,
};

/** Where calls are tried out before a version is known: to their end. */
export class TrialExecutor extends ViewExecutor {
  override get ways(): undefined {
    return undefined;
  }

  override get ready(): undefined {
    return undefined;
  }

  override execute(request: Request): void {
    request.fail(new WouldSend());
  }

  override passing(): void {
    throw new WouldSend();
  }

  override everywhere(): Way[] {
    return [this];
  }
}
