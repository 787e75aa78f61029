import type { Declared, EventOf, OwnTopic, Snapshot, ToolsRegisterParams } from "./api.js";
import type { TopicOf, TopicPattern } from "./api.js";
import type { LiveHandleError } from "./errors.js";

export interface OpenOptions {
  /** The socket's path. By default `$LIVEHANDLE_SOCKET`, else the instance's own. */
  socket?: string | undefined;
  /** The daemon's name. By default `$LIVEHANDLE_INSTANCE`, else `default`. */
  instance?: string | undefined;
  /** What the daemon is to call this client. */
  client?: string | undefined;
  /** Closes the client. */
  signal?: AbortSignal | undefined;
}

export interface EventOptions<P extends TopicPattern> {
  topics?: readonly P[] | undefined;
  /** The cursor of an event: begin after that one. */
  since?: string | undefined;
  /** Whether the stream begins with a snapshot, as `client.reset`. */
  snapshot?: boolean | undefined;
  /** Ends the stream: its loop throws an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** What the library itself says on every stream. */
export type ClientEvent =
  | { topic: "client.disconnected"; data: { error: LiveHandleError } }
  | { topic: "client.connected"; data: { attempt: number } }
  /** The snapshot replaces what was known: events were missed, or it was asked for. */
  | { topic: "client.reset"; data: Snapshot };

/** What a stream of these topics gives. */
export type StreamEvent<P extends TopicPattern = "*"> =
  | EventOf<TopicOf<P> | OwnTopic>
  | ClientEvent;

/** The events of a subscription, over every connection. Leaving its loop ends it. */
export interface EventStream<P extends TopicPattern = "*"> extends AsyncIterable<StreamEvent<P>> {
  /** End the subscription: the loop ends after what has come. */
  close(): void;
}

/** A function for the model: its declaration as the Live API has it, and what carries it out. */
export interface Tool {
  name: string;
  description?: string;
  /** A schema of the arguments. */
  parameters?: object;
  /** What it returns, or the message of what it throws, goes to the model. */
  // The service sees to the arguments' types, as far as `parameters` tells them.
  handler(args: any, context: ToolContext): unknown;
  [more: string]: unknown;
}

/** What a handler is told beside the arguments. */
export interface ToolContext {
  call_id: string;
  /** How long the model waits, in milliseconds. */
  deadline_ms: number;
  /** Aborted when the answer is no longer wanted, or would be too late. */
  signal: AbortSignal;
}

export type ToolOptions = Pick<ToolsRegisterParams, "timeout_ms" | "reconnect">;

export interface ToolRegistration {
  /** When the model knows of the functions. */
  declared: Declared;
  /** Carry them out no more. */
  close(): Promise<void>;
}
