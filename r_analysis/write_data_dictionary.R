# Writes DATA_DICTIONARY.md from schema.csv and yardsticks_schema.csv: Rscript r_analysis/write_data_dictionary.R
script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1])
folder <- dirname(normalizePath(gsub("~+~", " ", script, fixed = TRUE)))
source(file.path(folder, "R", "schema.R"), encoding = "UTF-8")
source(file.path(folder, "R", "data_dictionary.R"), encoding = "UTF-8")
lines <- format_data_dictionary(
  read_schema(file.path(folder, "schema.csv")), read_schema(file.path(folder, "yardsticks_schema.csv"))
)
writeLines(enc2utf8(lines), file.path(folder, "DATA_DICTIONARY.md"), useBytes = TRUE)
