# One image for every process of the product; what runs is the command. Needs nothing but the npm registry to build.
FROM node:24-slim
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force
COPY . .
USER node
CMD ["node", "--max-semi-space-size=32", "gateway/main.ts"]
