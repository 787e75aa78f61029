export * from "./api.js";
export { LiveHandle } from "./client.js";
export { LiveHandleError } from "./errors.js";
export { socketPath } from "./socket.js";
export type * from "./types.js";
