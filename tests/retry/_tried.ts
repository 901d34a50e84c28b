/**
 * Clients that fail as told, and what calls of them came to.
 *
 * @module
 */
import {
  type KeyCommands,
  MemcacheConnectionError,
  type MemcacheError,
  MemcacheUnexpectedCloseError,
  RetryingClient,
  type RetryOptions,
  type ServerCommands,
} from "@x/memcache";
import { scripted, type ScriptedClient } from "../_scripted_client.ts";
import { outcome } from "../conformance/stage.ts";

/** A connection that ended under a command. */
export function lost(): MemcacheError {
  return new MemcacheUnexpectedCloseError("lost", { sent: true });
}

/** A connection that there never was. */
export function unsent(): MemcacheError {
  return new MemcacheConnectionError("refused", { sent: false });
}

/** What a call came to: its result, or `!` and what it rejected with. */
export async function tried(call: Promise<unknown>): Promise<unknown> {
  return await outcome(call).catch((error) => `!${error}`);
}

/** A client over one that answers as told. */
export function over(
  options: RetryOptions,
  ...answers: unknown[]
): ScriptedClient & { retrying: RetryingClient<KeyCommands & ServerCommands> } {
  const script = scripted(...answers);
  return { ...script, retrying: new RetryingClient(script.client, options) };
}
