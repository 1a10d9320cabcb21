# Jenkins with its plugins. Its configuration is one of the stack. Build from the root of the repository.
ARG JENKINS_IMAGE

FROM ${JENKINS_IMAGE}
ARG JENKINS_VERSION
LABEL org.opencontainers.image.title="livehouse-jenkins" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${JENKINS_VERSION}"
COPY --chown=1000:1000 jenkins/plugins.txt /usr/share/jenkins/ref/plugins.txt
# A plugin that another one needs is taken in the oldest version that will do: the newest of the day would be another image each day.
RUN jenkins-plugin-cli --plugin-file /usr/share/jenkins/ref/plugins.txt --latest false --view-security-warnings
USER 1000:1000
