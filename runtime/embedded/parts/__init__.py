"""The broker as data: what it is made of (pom.xml), every jar of it by hash (jars.lock), and how it logs."""
