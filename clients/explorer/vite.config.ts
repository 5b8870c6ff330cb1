import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  base: '/graphiql/',
  plugins: [react()],
  // The editor is large, but is loaded from a nearby server.
  build: {
    chunkSizeWarningLimit: 10_000,
    rolldownOptions: {
      onLog: (level, log, report) => {
        // GraphiQL's files have directives of a compiler that has already processed them.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
});
