export { Client, type ClientOptions, type Download, type Source } from './client.js';
export type { WebSocketConstructor, WebSocketLike } from './connection.js';
export { TorenError, isLost, type AnyProblem, type ClientCode, type Code } from './errors.js';
export type * from './protocol.js';
export { Output, Socket } from './socket.js';
export type { Collected, GapItem, Item, OutputItem, SocketOptions } from './socket.js';
