/**
 * A server that says as much as a measurement needs: it has no items, and what
 * it does with a command depends on the key.
 *
 * @module
 */
import { once } from "node:events";
import * as net from "node:net";
import type { Server } from "./_part.ts";

/**
 * Starts the server. `mute` is never answered, after `deaf` nothing more is
 * read, after `bye` the connection is ended; all else is a miss.
 */
export async function servePeer(): Promise<Server> {
  const server = net.createServer({ noDelay: true }, (socket) => {
    let rest = "";
    let reads = true;
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      if (!reads) return;
      rest += new TextDecoder().decode(bytes);
      const lines = rest.split("\r\n");
      rest = lines.pop() ?? "";
      let reply = "";
      for (const line of lines) {
        reply += answer(line);
        if (line.includes(" deaf")) {
          reads = false;
          socket.pause();
        }
        if (line.includes(" bye")) {
          socket.end(reply);
          return;
        }
      }
      if (reply !== "") socket.write(reply);
    });
  });
  // As many clients may come at once as a measurement has.
  server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 });
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return { address: `127.0.0.1:${port}` };
}

function answer(line: string): string {
  if (line === "mn") return "MN\r\n";
  if (line.includes(" mute")) return "";
  if (line.startsWith("mg ")) return "EN\r\n";
  return line.startsWith("get ") ? "END\r\n" : "";
}
