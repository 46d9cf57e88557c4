/** A shard that only lives: it is ready at once, ends when told to stop, and hears nothing else. */
export default function run({ controlPort }) {
  return new Promise((resolve) => {
    controlPort.on('message', ({ kind }) => {
      if (kind !== 'stop') return;
      controlPort.close();
      resolve();
    });
    controlPort.postMessage({ kind: 'ready' });
  });
}
