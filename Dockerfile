# A server of Polku. Its project's folder is /shop; see docs/deploy.md.
FROM python:3.13-slim

WORKDIR /polku
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY docs docs
COPY src src
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
 && pip install --no-cache-dir --no-deps . \
 && pip install --no-cache-dir "psycopg[binary]>=3.2" \
 && useradd --create-home --uid 10001 polku \
 && mkdir /shop && chown polku /shop

USER polku
VOLUME /shop
EXPOSE 8000
# Compiled kernels are kept with the project, so that a new container does not compile them again.
ENV NUMBA_CACHE_DIR=/shop/.polku/cache/numba
ENTRYPOINT ["polku"]
CMD ["serve", "/shop", "--host", "0.0.0.0", "--port", "8000"]
