# A server of Polku. Its project's folder is /shop; see docs/deploy.md.
FROM python:3.13-slim

WORKDIR /polku
COPY requirements.lock requirements-dev.lock pyproject.toml README.md LICENSE ./
COPY docs docs
COPY src src
# PostgreSQL's driver and what signing in by an identity provider needs, in the versions that the tests ran with.
RUN pip install --no-cache-dir --require-hashes -r requirements.lock \
 && grep -o "^[a-z0-9._-]*==[^ ;]*" requirements-dev.lock > versions.txt \
 && pip install --no-cache-dir --constraint versions.txt "psycopg[binary]" authlib joserfc requests \
 && pip install --no-cache-dir --no-deps . \
 && useradd --create-home --uid 10001 polku \
 && mkdir /shop && chown polku /shop

USER polku
VOLUME /shop
EXPOSE 8000
# Compiled kernels are kept with the project, so that a new container does not compile them again.
ENV NUMBA_CACHE_DIR=/shop/.polku/cache/numba
HEALTHCHECK --start-period=120s --interval=30s --timeout=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=8)"]
ENTRYPOINT ["polku"]
CMD ["serve", "/shop", "--host", "0.0.0.0", "--port", "8000"]
