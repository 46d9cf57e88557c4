/** What we use of uWebSockets.js, typed here: the republished binaries bring no types. */

export interface UwsResponse {
  /** Writes `HTTP/1.1 `, the text as it is, and a line end. Once per answer. */
  writeStatus(status: Uint8Array | string): UwsResponse;
  /** Writes `name: value` and a line end as they are. */
  writeHeader(name: string, value: string): UwsResponse;
  /** A chunk. False: the socket is full (the chunk is kept and sent later). */
  write(chunk: Uint8Array | string): boolean;
  end(body?: Uint8Array | string, closeConnection?: boolean): UwsResponse;
  /** Without Content-Length. (Any argument is read as a length, also undefined.) */
  endWithoutBody(): UwsResponse;
  /** Drops the connection; calls the onAborted handler before it returns. */
  close(): UwsResponse;
  cork(run: () => void): UwsResponse;
  /** The buffer is valid only during the call. */
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): UwsResponse;
  onAborted(handler: () => void): UwsResponse;
  onWritable(handler: (offset: number) => boolean): UwsResponse;
  /** 4 or 16 bytes, or none if the socket is gone. */
  getRemoteAddress(): ArrayBuffer;
}

/** Valid only during the request handler. */
export interface UwsRequest {
  forEach(handler: (name: string, value: string) => void): void;
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
}

export interface UwsApp {
  any(pattern: string, handler: (res: UwsResponse, req: UwsRequest) => void): UwsApp;
  /** Before `any`: requests with exactly this method and, without query, exactly this target. */
  post(pattern: string, handler: (res: UwsResponse, req: UwsRequest) => void): UwsApp;
  /** Called with 1 for each connection that opens and -1 for each that closed. */
  filter(handler: (res: UwsResponse, change: number) => void): UwsApp;
  /** The token is falsy if it failed. */
  listen(host: string, port: number, options: number, handler: (token: unknown) => void): UwsApp;
  /** Closes the listening socket and every connection. */
  close(): UwsApp;
}

export interface UwsModule {
  App(): UwsApp;
  us_listen_socket_close(token: unknown): void;
  us_socket_local_port(token: unknown): number;
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  _cfg?(key: string): void;
}
